// Fastify with ws, and the engine inside: the stream as WebSocket and as a response of lines, which a Readable passes on at the client's pace.
//
//   node fastify_server.mjs [--port N] [--interval MS]
//   curl -N http://127.0.0.1:PORT/events      the stream; ws://127.0.0.1:PORT/stream is the same for a WebSocket
//   curl http://127.0.0.1:PORT/now            what is in the engine
//   curl -X POST http://127.0.0.1:PORT/stop   ends the source, and with it the streams
import { fastify } from "fastify";
import { Readable } from "node:stream";
import { Engine } from "tidings";
import { WebSocketServer } from "ws";
import { Source, lines, options, talk } from "./stream.mjs";
/** @import { AddressInfo } from "node:net" */

const { port, interval } = options();
const engine = new Engine();
const source = Source.start({ engine, name: "source" }, interval);

/** @param {AbortSignal} gone */
async function* text(gone) {
  for await (const line of lines(engine, gone)) yield `${line}\n`;
}

const app = fastify({ forceCloseConnections: true });
app.get("/now", async () => ({ clients: Number((await source.call()).text()), mailboxes: engine.stats().mailboxes }));
app.get("/events", (_request, reply) => {
  const gone = new AbortController();
  reply.raw.on("close", () => gone.abort());
  reply.header("Content-Type", "application/x-ndjson").header("Cache-Control", "no-store");
  return reply.send(Readable.from(text(gone.signal), { highWaterMark: 1 }));
});
app.post("/stop", async () => {
  await source.stop();
  return "stopped\n";
});
// The engine goes when Fastify does.
app.addHook("onClose", () => engine.close());

const sockets = new WebSocketServer({ server: app.server, path: "/stream" });
sockets.on("connection", (socket) => talk(engine, socket));
await app.listen({ port, host: "127.0.0.1" });
console.log(`listening on http://127.0.0.1:${/** @type {AddressInfo} */ (app.server.address()).port}`);

process.once("SIGTERM", () => {
  for (const socket of sockets.clients) socket.terminate();
  sockets.close();
  app.close();
});
