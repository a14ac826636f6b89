// Run by exit.test.mjs: fills the process with live streams and native threads that flood it, and then ends in the way it is told.
//   node exit_child.mjs PRODUCER WAY
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { createRequire } from "node:module";

const [producer, way] = isMainThread ? process.argv.slice(2) : workerData;
const host = createRequire(import.meta.url)(producer);
const { alloc, defaultEngine, Server } = await import("../index.mjs");
const engine = defaultEngine();
const suffix = isMainThread ? "main" : "worker";

let handled = 0;
const handler = engine.mailbox({ name: `handler.${suffix}`, policy: "drop_old", maxMessages: 1000, handler: () => void handled++ });
const stream = engine.mailbox({ name: `stream.${suffix}`, policy: "drop_old", maxMessages: 1000 });
let streamed = 0;
(async () => {
  for await (const message of stream) streamed += message.data.length > 0 ? 1 : 0;
})();
const idle = engine.mailbox({ policy: "drop_old", maxMessages: 4 });
idle.recv({ tag: 1 });
engine.mailbox({ name: `failing.${suffix}`, handler: () => {} }).monitor("nobody.there", { alreadyDown: () => {} });
engine.sendEvery(idle, 1);
idle.monitorProcess(process.ppid);
engine.mailbox({ notifiable: true, handler: () => {} }).notify(1);
handler.link(stream);
handler.watchGroup("everyone");
handler.watchInterest(">");
stream.join("everyone");
idle.enterPresence("everyone", suffix, { grace: 60_000 });
idle.setWill("last.words", "bye", { retain: true });
engine.call(idle, "never answered", { timeout: Infinity }).catch(() => {});
const endless = engine.mailbox({
  handler: async (request) => {
    for (;;) await request.replyPart("x");
  },
});
let parts = 0;
(async () => {
  for await (const part of engine.stream(endless, "x", { timeout: Infinity })) parts += part.data.length;
})().catch(() => {}); // the engine closes
class Busy extends Server {
  casts = 0;
  async handleCast() {
    await null;
    this.casts++;
  }
}
const busy = Busy.start({ engine, name: `server.${suffix}`, policy: "drop_old", maxMessages: 1000 });
busy.mailbox.on("end", () => {}).messages({ signal: new AbortController().signal });
const own = alloc(65536);
for (let i = 0; i < 32; i++) engine.send(i % 2 ? idle : stream, own, { tag: 2 });

host.flood(`handler.${suffix}`, 1);
host.flood(`stream.${suffix}`, 1);
host.flood(`server.${suffix}`, 1);
const worker = isMainThread && /^(worker|terminate)/.test(way) && new Worker(new URL(import.meta.url), { workerData: [producer, way] });

const enough = () => handled > 50 && streamed > 50 && parts > 5000 && busy.casts > 200;
const end = {
  natural: () => {},
  exit: () => process.exit(3),
  throw: () => {
    throw new Error("meant to");
  },
  "in-handler": () => {
    engine.mailbox({ name: "leaver", handler: () => process.exit(5) }).ref();
    engine.send("leaver", "now");
  },
  closed: () => engine.close(),
  worker: () => (isMainThread ? process.exit(7) : undefined), // with the worker running
  terminate: () => (isMainThread ? worker.terminate() : undefined), // and the main thread ends naturally
  "worker-exits": () => (isMainThread ? undefined : process.exit(0)),
}[way];
// A timer is what keeps this program alive until it has seen enough; nothing of tidings does.
const started = Date.now();
const wait = setInterval(() => {
  if (!enough() && Date.now() - started < 20_000) return;
  clearInterval(wait);
  if (!enough()) process.exitCode = 99;
  end();
}, 1);
