// A worker program with Express, which is held back by the library's middleware.
import express from "express";
import { worker } from "../../worker.mjs";

const app = express();
app.get("/health", (request, response) => response.send(`${worker.suspended ? "suspended" : "resumed"}\n`)); // before the middleware: it is not held
app.use(worker.middleware());
app.get("/hello/:name", (request, response) => response.send(`hello ${request.params.name}\n`));

const server = app.listen(worker.socketPath, () => worker.reportOnline());
worker.on("shutdown", () => server.close());
