// A worker: HTTP at its socket, and an answer to requests from clients and other workers.
import { createServer } from "node:http";
import { worker } from "../worker.mjs";

const held = worker.middleware(); // while it is suspended
const server = createServer((request, response) => held(request, response, () => response.end(`hello from ${worker.id}\n`)));

worker.handle("add", ({ a, b }) => a + b);
worker.handle("count", function* ({ to }) {
  for (let n = 1; n <= to; n++) yield n;
});
worker.on("message", (name, data) => console.log(`${worker.id}: ${name}`, data));
worker.on("shutdown", () => server.close());

server.listen(worker.socketPath ?? 8080, () => worker.reportOnline());
