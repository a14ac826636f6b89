// Handlers: on this thread, in batches, contained when they fail, and obeyed within the batch they are in.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "tidings";
import { engineOf } from "../testing/engine.mjs";
import { sleep, until } from "../testing/support.mjs";

/** Collects the warnings of this package until the test ends. */
function warnings(t) {
  const seen = [];
  const listen = (warning) => warning.name === "TidingsWarning" && seen.push(warning);
  process.on("warning", listen);
  t.after(() => process.off("warning", listen));
  return seen;
}

test("a handler gets every message in order, without being asked", async (t) => {
  const engine = engineOf(t);
  const tags = [];
  const a = engine.mailbox({ handler: (message) => tags.push(message.tag) });
  for (let tag = 0; tag < 10_000; tag++) a.send("", { tag });
  await until(() => tags.length === 10_000, "10,000 messages");
  assert.deepEqual(tags, Array.from({ length: 10_000 }, (_, i) => i));
  assert.throws(() => a.tryRecv(), { code: "TD_EINVAL" });
  await assert.rejects(a.recv(), { code: "TD_EINVAL" });
});

test("run() runs what is queued, and inside a handler it is an error", (t) => {
  const engine = engineOf(t);
  const seen = [];
  const a = engine.mailbox({
    handler: (message) => {
      seen.push(message.text());
      assert.throws(() => engine.run(), { name: "TidingsError" });
    },
  });
  a.send("now");
  assert.ok(engine.run() > 0);
  assert.deepEqual(seen, ["now"]);
  assert.equal(engine.run(), 0);
});

test("a handler that throws ends its mailbox with the text, and everything else goes on", async (t) => {
  const engine = engineOf(t);
  const warned = warnings(t);
  const watcher = engine.mailbox();
  const handled = [];
  const failing = engine.mailbox({
    name: "failing",
    handler: (message) => {
      handled.push(message.tag);
      if (message.tag === 2) throw new TypeError("cannot do this");
    },
  });
  const other = [];
  const steady = engine.mailbox({ handler: (message) => other.push(message.tag) });
  watcher.monitor(failing);
  for (let tag = 1; tag <= 4; tag++) {
    failing.send("", { tag });
    steady.send("", { tag });
  }
  const down = await watcher.recv({ timeout: 5000 });
  assert.deepEqual([down.kind, down.reason, down.text()], ["down", "callback_failed", "TypeError: cannot do this"]);
  assert.deepEqual(handled, [1, 2]);
  await until(() => other.length === 4, "the other handler's messages");
  assert.equal(engine.whereis("failing"), undefined);
  assert.equal(failing.stats().discarded, 2);
  await until(() => warned.length === 1, "the warning");
  assert.match(warned[0].message, /callback failed with TypeError: cannot do this/);
});

// (rule 9)
test("a handler that throws what has no text ends its mailbox too", async (t) => {
  const engine = engineOf(t);
  const warned = warnings(t);
  const refusing = new Proxy({}, { get: () => assert.fail("no look inside") });
  for (const error of [Object.create(null), refusing]) {
    const watcher = engine.mailbox();
    let handled = 0;
    const failing = engine.mailbox({
      handler: () => {
        handled++;
        throw error;
      },
    });
    watcher.monitor(failing);
    failing.send("x");
    failing.send("y");
    const down = await watcher.recv({ timeout: 5000 });
    assert.deepEqual([down.reason, down.text(), handled], ["callback_failed", "an error without a text", 1]);
  }
  await until(() => warned.length === 2, "the warnings");
});

test("a handler whose promise is rejected ends its mailbox too", async (t) => {
  const engine = engineOf(t);
  warnings(t);
  const watcher = engine.mailbox();
  const failing = engine.mailbox({
    handler: async () => {
      await sleep(5);
      throw new Error("later");
    },
  });
  watcher.monitor(failing);
  failing.send("x");
  const down = await watcher.recv({ timeout: 5000 });
  assert.deepEqual([down.reason, down.text()], ["callback_failed", "Error: later"]);
});

test("a handler that closes its own mailbox gets nothing more of its batch", (t) => {
  const engine = engineOf(t);
  const tags = [];
  const a = engine.mailbox({
    name: "closing",
    handler: (message) => {
      tags.push(message.tag);
      if (message.tag === 2) engine.whereis("closing").close(); // through another object for the same mailbox
    },
  });
  for (let tag = 1; tag <= 5; tag++) a.send("", { tag });
  engine.run();
  assert.deepEqual(tags, [1, 2]);
  const { open, delivered, discarded } = a.stats();
  assert.deepEqual({ open, delivered, discarded }, { open: false, delivered: 2, discarded: 3 });
});

test("a demonitor with flush and a cancel hold for the rest of the batch", (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const kinds = [];
  let monitor;
  let timer;
  let outcome;
  const a = engine.mailbox({
    handler: (message) => {
      kinds.push(message.kind);
      if (message.text() !== "first") return;
      outcome = monitor.demonitor({ flush: true });
      timer.cancel();
    },
  });
  const target = engine.mailbox();
  monitor = a.monitor(target);
  timer = engine.sendEvery(a, 10);
  a.send("first");
  target.close();
  engine.advance(10);
  a.send("last");
  engine.run();
  assert.deepEqual(kinds, ["message", "message"]);
  assert.equal(outcome, "flushed");
});

test("a handler counts what was lost before each message", (t) => {
  const engine = engineOf(t);
  const seen = [];
  const a = engine.mailbox({ maxMessages: 3, policy: "drop_old", handler: (message) => seen.push([message.tag, message.lost]) });
  for (let tag = 1; tag <= 5; tag++) a.send("", { tag });
  engine.run();
  assert.deepEqual(seen, [[3, 2], [4, 0], [5, 0]]);
});

test("a busy handler mailbox starves neither timers nor other mailboxes", async (t) => {
  const engine = engineOf(t);
  let handled = 0;
  const busy = engine.mailbox({
    handler: () => {
      handled++;
      busy.send("again"); // never idle
    },
  });
  let other = 0;
  const quiet = engine.mailbox({ handler: () => other++ });
  busy.send("go");
  quiet.send("me too");
  await sleep(30);
  await until(() => handled > 100 && other === 1, "both to be handled");
  busy.close();
});

test("what a handler sends in microtasks and ticks is delivered", async (t) => {
  const engine = engineOf(t);
  const order = [];
  const a = engine.mailbox({
    handler: (message) => {
      order.push(message.text());
      if (message.text() !== "go") return;
      Promise.resolve().then(() => a.send("from a microtask"));
      process.nextTick(() => a.send("from a tick"));
    },
  });
  a.send("go");
  await until(() => order.length === 3, "three messages");
  assert.deepEqual(new Set(order), new Set(["go", "from a microtask", "from a tick"]));
});

test("a handler whose mailbox ends by what it fills gets nothing more of its batch", async (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  for (const way of ["send", "publish"]) {
    const strict = engine.mailbox({ policy: "kill", maxMessages: 1 });
    strict.subscribe("full");
    let handled = 0;
    const box = engine.mailbox({
      handler() {
        handled++;
        if (way === "publish") engine.publish("full", "x");
        else if (handled === 1) strict.send("x");
        else assert.throws(() => strict.send("x"), { code: "TD_EFULL" });
      },
    });
    box.link(strict);
    for (let i = 0; i < 5; i++) box.send("x");
    engine.run();
    assert.equal(handled, 2, way);
    assert.equal(box.stats().reason, 4);
  }
});

test("closing the engine inside a handler ends everything quietly", async () => {
  const engine = new Engine().ref();
  let handled = 0;
  const a = engine.mailbox({
    handler: () => {
      handled++;
      engine.close();
    },
  });
  a.send("1");
  a.send("2");
  await until(() => handled > 0, "the handler", 5000);
  await sleep(10);
  assert.equal(handled, 1);
  assert.throws(() => engine.mailbox(), { code: "TD_ESTALE" });
  engine.close();
});
