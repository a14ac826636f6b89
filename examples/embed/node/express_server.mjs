// Express with ws, and the engine inside: the stream as WebSocket and as server-sent events.
//
//   node express_server.mjs [--port N] [--interval MS]
//   curl -N http://127.0.0.1:PORT/events      the stream; ws://127.0.0.1:PORT/stream is the same for a WebSocket
//   curl http://127.0.0.1:PORT/now            what is in the engine
//   curl -X POST http://127.0.0.1:PORT/stop   ends the source, and with it the streams
import express from "express";
import { once } from "node:events";
import { createServer } from "node:http";
import { Engine } from "tidings";
import { WebSocketServer } from "ws";
import { Source, lines, options, talk } from "./stream.mjs";
/** @import { AddressInfo } from "node:net" */

const { port, interval } = options();
const engine = new Engine();
const source = Source.start({ engine, name: "source" }, interval);

const app = express();
app.get("/now", async (_request, response) => {
  response.json({ clients: Number((await source.call()).text()), mailboxes: engine.stats().mailboxes });
});
app.get("/events", async (_request, response) => {
  const gone = new AbortController();
  response.on("close", () => gone.abort());
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  response.flushHeaders();
  for await (const line of lines(engine, gone.signal)) {
    if (!response.write(`data: ${line}\n\n`)) await once(response, "drain", { signal: gone.signal }).catch(() => {});
  }
  response.end();
});
app.post("/stop", async (_request, response) => {
  await source.stop();
  response.send("stopped\n");
});

const server = createServer(app);
const sockets = new WebSocketServer({ server, path: "/stream" });
sockets.on("connection", (socket) => talk(engine, socket));
server.listen(port, "127.0.0.1", () => {
  const { port } = /** @type {AddressInfo} */ (server.address());
  console.log(`listening on http://127.0.0.1:${port}`);
});

process.once("SIGTERM", () => {
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  server.close();
  server.closeAllConnections();
  engine.close(); // nothing is left that keeps the process alive
});
