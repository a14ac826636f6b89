// Worker threads: each has its own loop; all share the engines of the process; a worker that ends takes only its own with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { alloc, defaultEngine, Engine } from "tidings";
import { collect, require, until } from "../testing/support.mjs";

const { native } = require("../lib/native.js");
const entry = new URL("../index.mjs", import.meta.url).href;

/** A worker that runs the text of an async function of (tidings, workerData, parentPort). */
function start(run, workerData) {
  const text = `const w = require("node:worker_threads"); import(${JSON.stringify(entry)}).then((tidings) => (${run})(tidings, w.workerData, w.parentPort))`;
  return new Worker(text, { eval: true, workerData });
}
const exited = (worker) => new Promise((resolve, reject) => worker.on("exit", resolve).on("error", reject));

test("workers and the main thread call each other through the default engine", async () => {
  const engine = defaultEngine();
  engine.mailbox({ name: "main.double", handler: (request) => request.reply(String(Number(request.text()) * 2)) });
  const workers = Array.from({ length: 3 }, (_, i) =>
    start(
      async ({ defaultEngine }, i, port) => {
        const engine = defaultEngine();
        engine.mailbox({ name: `worker.${i}`, handler: (request) => request.reply(`from ${i}: ${request.text()}`) }).ref();
        let sum = 0;
        for (let n = 0; n < 200; n++) sum += Number((await engine.call("main.double", String(n))).text());
        port.postMessage(sum);
        port.once("message", () => {
          engine.close();
          port.close();
        });
      },
      i,
    ),
  );
  const sums = await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject))));
  assert.deepEqual(sums, [39_800, 39_800, 39_800]);
  for (let i = 0; i < 3; i++) assert.equal((await engine.call(`worker.${i}`, "hello")).text(), `from ${i}: hello`);
  const watcher = engine.mailbox();
  watcher.monitor("worker.0");
  workers.forEach((worker) => worker.postMessage("end"));
  await Promise.all(workers.map(exited));
  assert.equal((await watcher.recv({ timeout: 5000 })).reason, "runtime_exit");
  engine.whereis("main.double").close();
  watcher.close();
});

test("when a worker ends or is terminated, its mailboxes end with runtime_exit and its own engines close", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const watcher = engine.mailbox();
  for (const way of ["exit", "terminate", "throw"]) {
    const worker = start(
      async ({ Engine }, { id, way }, port) => {
        const engine = Engine.from(id);
        engine.mailbox({ name: "pulled" });
        const looping = engine.mailbox({ name: "handled", handler: () => looping.send("again") });
        looping.send("go");
        const own = new Engine();
        own.mailbox({ handler() {} });
        const spin = setInterval(() => {}, 1000);
        port.postMessage(own.id);
        port.on("message", () => {
          clearInterval(spin);
          if (way === "throw") throw new Error("meant to");
          process.exit(0);
        });
      },
      { id: engine.id, way },
    );
    worker.on("error", (error) => assert.equal(error.message, "meant to"));
    const ownId = await new Promise((resolve) => worker.on("message", resolve));
    watcher.monitor("pulled");
    watcher.monitor("handled");
    assert.equal(Engine.from(ownId).stats().mailboxes, 1);
    if (way === "terminate") await worker.terminate();
    else {
      worker.postMessage("now");
      await new Promise((resolve) => worker.on("exit", resolve));
    }
    const downs = [await watcher.recv({ timeout: 5000 }), await watcher.recv({ timeout: 5000 })];
    assert.deepEqual(downs.map((down) => down.reason), ["runtime_exit", "runtime_exit"], way);
    assert.deepEqual(new Set(downs.map((down) => down.topic)), new Set(["pulled", "handled"]));
    assert.throws(() => Engine.from(ownId).stats(), { name: "TidingsError" });
    Engine.from(ownId).close();
  }
});

test("what a worker lent lives on when the worker is gone", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const before = native.lent();
  const inbox = engine.mailbox({ name: "inbox" });
  const worker = start(
    async ({ Engine, alloc }, id) => {
      const engine = Engine.from(id);
      for (let i = 0; i < 50; i++) {
        const memory = alloc(200_000);
        memory.fill(i);
        engine.send("inbox", memory, { tag: i });
      }
    },
    engine.id,
  );
  await exited(worker);
  await collect();
  assert.equal(native.lent().lent - before.lent, 50);
  for (let i = 0; i < 50; i++) {
    const message = inbox.tryRecv();
    assert.ok(message.data.length === 200_000 && message.data.every((byte) => byte === i));
  }
  await until(() => native.lent().released - before.released === 50, "every release");
  await until(() => native.lent().blocks === before.blocks, "the memory to be freed");
});

test("memory that changes hands by postMessage is copied when it is sent, and stays whole", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const a = engine.mailbox();
  const memory = alloc(100_000);
  memory.fill(9);
  const copy = structuredClone(memory);
  a.send(copy);
  copy.fill(1);
  assert.ok(a.tryRecv().data.every((byte) => byte === 9));
});

test("a worker that is terminated under flood: its mailboxes end with runtime_exit, its memory is freed, the others go on", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const before = native.lent();
  const watcher = engine.mailbox();
  const flooder = start(
    async ({ Engine, alloc }, id, port) => {
      const engine = Engine.from(id);
      const memory = alloc(8192);
      const flood = () => {
        for (let i = 0; i < 200; i++) {
          for (const name of ["handled", "pulled", "idle"]) {
            try {
              engine.send(name, i % 8 ? "small" : memory, { tag: i });
            } catch (error) {
              // Between two workers nobody has the name; or who had it when it was looked up is over by the time of the send.
              if (!["TD_ENOTFOUND", "TD_ENOPROC"].includes(error.code)) throw error;
            }
          }
        }
        setImmediate(flood);
      };
      flood();
      port.postMessage("flooding");
    },
    engine.id,
  );
  t.after(() => flooder.terminate());
  let failed; // in one of the workers: without a flood nobody would ever see enough
  const fails = (error) => (failed ??= error);
  const said = (words, word) =>
    until(() => {
      if (failed) throw failed;
      return words.has(word);
    }, `a worker to say "${word}"`);
  const flooding = new Set();
  flooder.on("error", fails).on("message", (word) => flooding.add(word));
  await said(flooding, "flooding");
  const rounds = 12;
  for (let round = 0; round < rounds; round++) {
    const worker = start(
      async ({ Engine, alloc }, id, port) => {
        const engine = Engine.from(id);
        const options = { policy: "drop_old", maxMessages: 500 };
        let [seen, told] = [0, false];
        const back = alloc(8192);
        engine.mailbox({ ...options, name: "handled", handler: (m) => void (seen++, m.from?.send(back)) }).ref();
        engine.mailbox({ ...options, name: "idle" });
        const pulled = engine.mailbox({ ...options, name: "pulled" });
        engine.sendEvery(pulled, 1);
        port.postMessage("open");
        for await (const message of pulled) {
          if (message.kind !== "message" || ++seen < 1000 || told) continue;
          told = true;
          port.postMessage("seen");
        }
      },
      engine.id,
    );
    const boxes = new Map();
    const words = new Set();
    worker.on("error", fails).on("message", (word) => words.add(word));
    await said(words, "open");
    for (const name of ["handled", "pulled", "idle"]) boxes.set(watcher.monitor(name).id, engine.whereis(name));
    if (round % 3 !== 0) await said(words, "seen");
    await worker.terminate();
    for (let i = 0; i < 3; i++) {
      const down = await watcher.recv({ kind: "down", timeout: 20_000 });
      assert.equal(down.reason, "runtime_exit");
      const box = boxes.get(down.ref);
      const { sent, delivered, lost, flushed, expired, discarded, queued } = box.stats();
      assert.equal(sent, delivered + lost + flushed + expired + discarded + queued);
    }
    assert.equal(engine.whereis("handled"), undefined);
  }
  await flooder.terminate();
  await until(async () => (await collect(), native.lent().blocks <= before.blocks), "the memory to be freed");
  assert.equal(native.lent().lent - before.lent, native.lent().released - before.released);
});
