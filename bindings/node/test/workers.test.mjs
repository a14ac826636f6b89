// Mailboxes in different worker threads talk through one engine, directly: nobody stands in between. Rules 1, 2, 4, 7, 13 and 22.
import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { Address, defaultEngine, Engine } from "tidings";
import { until, within } from "../testing/support.mjs";

const entry = new URL("../index.mjs", import.meta.url).href;

/** A worker that runs the text of an async function of (tidings, workerData, parentPort); `says(n)` is the n-th thing that it posts. */
function start(t, run, workerData) {
  const text = `const w = require("node:worker_threads"); import(${JSON.stringify(entry)}).then((tidings) => (${run})(tidings, w.workerData, w.parentPort))`;
  const worker = new Worker(text, { eval: true, workerData });
  t.after(() => worker.terminate());
  const said = [];
  const waiting = [];
  let failure;
  const look = () => waiting.splice(0).forEach((again) => again());
  worker.on("message", (what) => (said.push(what), look())).on("error", (error) => ((failure = error), look()));
  const says = async (n) => {
    while (said.length <= n) {
      if (failure !== undefined) throw failure;
      await new Promise((resolve) => waiting.push(resolve));
    }
    return said[n];
  };
  return { worker, says: (n) => within(says(n), `word ${n} of a worker`, 60_000) };
}

test("ids go through postMessage and stand for the same things on the other side", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const box = engine.mailbox({ name: "here" });
  const { port1, port2 } = new MessageChannel();
  const things = { engine, box, address: engine.address(box), subscription: box.subscribe("a"), monitor: box.monitor(engine.mailbox()), timer: engine.sendAfter(box, 60_000), watch: box.watchGroup("g"), call: box.request(box, "x") };
  port1.postMessage(things);
  const { message } = receiveMessageOnPort(port2);
  port1.close();
  for (const [name, thing] of Object.entries(things)) assert.equal(message[name].id, thing.id, name);
  assert.equal(Engine.from(message.engine), engine);
  assert.ok(engine.address(message.box) instanceof Address);

  const { says } = start(
    t,
    async ({ Engine }, { engine: id, box }, port) => {
      const engine = Engine.from(id);
      const mine = engine.mailbox({ handler: (request) => request.reply(`you said ${request.text()}`) }).ref();
      engine.send(box, "from the other side", { from: mine });
      port.postMessage({ mine, address: engine.address(box), same: engine.address(box).id === box.id });
    },
    { engine, box },
  );
  const { mine, address, same } = await says(0);
  assert.deepEqual([same, address.id], [true, box.id]);
  assert.equal((await box.recv({ kind: "message", timeout: 20_000 })).from.id, mine.id);
  assert.equal((await engine.call(mine, "hello")).text(), "you said hello");
});

test("four workers flood each other: each message arrives once, and those of one sender in their order", async (t) => {
  const COUNT = 20_000;
  const WORKERS = 4;
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const run = async ({ Engine }, { id, number, count, workers }, port) => {
    const engine = Engine.from(id);
    const next = new Map(); // sender -> the tag that is due
    const wrong = [];
    let seen = 0;
    const take = (message) => {
      const due = next.get(message.from.id) ?? 0;
      if (message.tag !== due || message.lost !== 0 || message.text() !== `message ${due}`) wrong.push(`${message.tag} for ${due}`);
      next.set(message.from.id, due + 1);
      if (++seen === count * (workers - 1)) port.postMessage({ seen, wrong: wrong.slice(0, 5), senders: next.size });
    };
    // Half of them have a handler, half are read.
    const box = engine.mailbox({ maxMessages: 1000, handler: number % 2 ? take : undefined }).ref();
    port.postMessage(box);
    const peers = await new Promise((resolve) => port.once("message", resolve));
    if (number % 2 === 0) (async () => { for await (const message of box) take(message); })();
    const sent = peers.map(() => 0);
    while (sent.some((n) => n < count)) {
      peers.forEach((peer, i) => {
        for (let burst = 0; burst < 50 && sent[i] < count; burst++) {
          try {
            engine.send(peer, `message ${sent[i]}`, { from: box, tag: sent[i] });
          } catch (error) {
            if (error.code !== "TD_EFULL") throw error;
            break;
          }
          sent[i]++;
        }
      });
      await new Promise(setImmediate);
    }
    port.postMessage("sent all");
  };
  const workers = Array.from({ length: WORKERS }, (_, number) => start(t, run, { id: engine.id, number, count: COUNT, workers: WORKERS }));
  const boxes = await Promise.all(workers.map(({ says }) => says(0)));
  workers.forEach(({ worker }, number) => worker.postMessage(boxes.filter((_, other) => other !== number)));
  for (const { says } of workers) {
    const report = [await says(1), await says(2)].find((word) => word !== "sent all");
    const { seen, wrong, senders } = report;
    assert.deepEqual({ seen, wrong, senders }, { seen: COUNT * (WORKERS - 1), wrong: [], senders: WORKERS - 1 });
  }
  for (const { id } of boxes) {
    await until(() => engine.address(id).stats().queued === 0, "the last batch to be counted");
    const { sent, delivered, lost, queued } = engine.address(id).stats();
    assert.deepEqual({ sent, delivered, lost, queued }, { sent: COUNT * (WORKERS - 1), delivered: COUNT * (WORKERS - 1), lost: 0, queued: 0 });
  }
});

test("workers call each other, hear each other's topics, and hear of each other's end", async (t) => {
  const engine = defaultEngine().ref();
  t.after(() => engine.unref());
  const run = async ({ defaultEngine }, { number, count }, port) => {
    const engine = defaultEngine();
    engine.mailbox({ name: `calc.${number}`, handler: (request) => request.reply(String(Number(request.text()) * 2)) }).ref();
    const inbox = engine.mailbox({ maxMessages: 1_000_000 });
    inbox.subscribe("to.all");
    port.postMessage("open");
    await new Promise((resolve) => port.once("message", resolve));
    const other = `calc.${1 - number}`;
    const watch = inbox.monitor(other);
    let sum = 0;
    for (let i = 0; i < count; i += 10) {
      const answers = await Promise.all(Array.from({ length: 10 }, (_, j) => engine.call(other, String(i + j), { timeout: 60_000 })));
      for (const answer of answers) sum += Number(answer.text());
      engine.publish("to.all", String(i), { from: inbox });
    }
    const heard = new Map();
    for (let i = 0; i < (2 * count) / 10; i++) {
      const { from } = await inbox.recv({ kind: "topic", timeout: 60_000 });
      heard.set(from.id, (heard.get(from.id) ?? 0) + 1);
    }
    port.postMessage({ sum, heard: [...heard.values()] });
    const down = await inbox.recv({ ref: watch, timeout: 60_000 });
    port.postMessage({ reason: down.reason, name: down.topic });
  };
  const COUNT = 5000;
  const pair = [0, 1].map((number) => start(t, run, { number, count: COUNT }));
  await Promise.all(pair.map(({ says }) => says(0)));
  pair.forEach(({ worker }) => worker.postMessage("go"));
  for (const { says } of pair) assert.deepEqual(await says(1), { sum: COUNT * (COUNT - 1), heard: [COUNT / 10, COUNT / 10] });
  await pair[0].worker.terminate();
  assert.deepEqual(await pair[1].says(2), { reason: "runtime_exit", name: "calc.0" });
});
