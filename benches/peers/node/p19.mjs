// P19: what a user of Node would pick instead.
//   p19.mjs threadsafe                 a native thread, one threadsafe call for each message
//   p19.mjs channel|broadcast          from a worker thread to the main thread, by MessageChannel or BroadcastChannel
//   p19.mjs emitter                    EventEmitter, within the main thread: no hand-over at all, the floor
import { EventEmitter } from "node:events";
import { createRequire } from "node:module";
import { BroadcastChannel, isMainThread, MessageChannel, parentPort, Worker, workerData } from "node:worker_threads";
import { fresh, measure, reader } from "../../node/payload.mjs";

const MESSAGES = { threadsafe: 300_000, channel: 150_000, broadcast: 100_000, emitter: 2_000_000 };
const NAME = "p19";

async function threadsafe(count) {
  const { handle, all } = reader(count);
  createRequire(import.meta.url)("../../../build/bench/threadsafe.node").start(count, handle);
  await all;
}

async function emitter(count) {
  const { handle, all } = reader(count);
  const events = new EventEmitter();
  events.on("message", handle);
  for (let i = 0; i < count; i++) events.emit("message", fresh(i));
  await all;
}

/** A function that has `count` messages sent by a worker and waits for them. */
async function byWorker(way) {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL(import.meta.url), { workerData: { way, port: port2 }, transferList: [port2] });
  await new Promise((resolve) => worker.once("message", resolve)); // it is there
  const broadcast = way === "broadcast" ? new BroadcastChannel(NAME) : undefined;
  return async (count) => {
    const { handle, all } = reader(count);
    if (broadcast) broadcast.onmessage = ({ data }) => handle(data);
    else port1.removeAllListeners("message").on("message", handle);
    worker.postMessage(count);
    await all;
  };
}

function beWorker() {
  const { way, port } = workerData;
  const to = way === "broadcast" ? new BroadcastChannel(NAME) : port;
  parentPort.on("message", (count) => {
    for (let i = 0; i < count; i++) to.postMessage(fresh(i));
  });
  parentPort.postMessage("ready");
}

if (isMainThread) {
  const way = process.argv[2];
  await measure(MESSAGES[way], { threadsafe, emitter }[way] ?? (await byWorker(way)));
  process.exit();
} else {
  beWorker();
}
