// P19: messages of 64 bytes into Node, through the tidings package.
//   p19.mjs native handler|iterate [BOUND]      from a native thread (benches/c/source.c)
//   p19.mjs worker one|many                     from a worker thread to the main thread: send, or sendMany of 64
// BOUND is the mailbox's bound in messages, 0 the default; a full mailbox makes the native sender wait ("block"). Between threads of Node it takes
// all there is, as the peers' channels do.
import { createRequire } from "node:module";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { Engine } from "tidings";
import { fresh, measure, reader } from "./payload.mjs";

const NATIVE = 1_000_000;
const FROM_WORKER = 500_000;
const GROUP = 64;

async function native(way, bound = "0") {
  const source = createRequire(import.meta.url)("../../build/bench/source.node");
  const engine = new Engine().ref();
  const options = { policy: "block", maxMessages: Number(bound) };
  await measure(NATIVE, way === "iterate" ? byIteration : byHandler);
  engine.close();

  async function byHandler(count) {
    const { handle, all } = reader(count);
    const mailbox = engine.mailbox({ ...options, handler: (message) => handle(message.data) });
    source.start(mailbox.id, count);
    await all;
    source.join();
    mailbox.close();
  }

  async function byIteration(count) {
    const mailbox = engine.mailbox(options);
    source.start(mailbox.id, count);
    let i = 0;
    for await (const message of mailbox) {
      const { data } = message;
      if (data[0] !== (i & 255) || data[63] !== 7) throw new Error(`message ${i} is ${data}`);
      if (++i === count) break;
    }
    source.join();
    mailbox.close();
  }
}

async function fromWorker(way) {
  const engine = new Engine().ref();
  const worker = new Worker(new URL(import.meta.url), { workerData: { engine: engine.id, way } });
  await new Promise((resolve) => worker.once("message", resolve)); // it is there
  await measure(FROM_WORKER, async (count) => {
    const { handle, all } = reader(count);
    const mailbox = engine.mailbox({ maxMessages: count, maxBytes: count * 128, handler: (message) => handle(message.data) });
    worker.postMessage({ to: mailbox.id, count });
    await all;
    mailbox.close();
  });
  await worker.terminate();
  engine.close();
}

function beWorker() {
  const engine = Engine.from(workerData.engine);
  parentPort.on("message", ({ to, count }) => {
    const mailbox = engine.address(to);
    if (workerData.way === "one") for (let i = 0; i < count; i++) mailbox.send(fresh(i));
    else for (let i = 0; i < count; i += GROUP) mailbox.sendMany(Array.from({ length: Math.min(GROUP, count - i) }, (_, k) => fresh(i + k)));
  });
  parentPort.postMessage("ready");
}

if (isMainThread) {
  const [what, ...words] = process.argv.slice(2);
  await { native, worker: fromWorker }[what](...words);
} else {
  beWorker();
}
