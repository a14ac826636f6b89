// Names, topics, timers and the counters.
import assert from "node:assert/strict";
import { test } from "node:test";
import { engineOf } from "../testing/engine.mjs";
import { until } from "../testing/support.mjs";

test("names: taken, replaced, freed, unknown", (t) => {
  const engine = engineOf(t);
  const [a, b] = [engine.mailbox({ name: "first" }), engine.mailbox()];
  assert.equal(engine.whereis("first").id, a.id);
  assert.throws(() => engine.register("first", b), { code: "TD_EEXIST" });
  assert.equal(engine.registerReplace("first", b).id, a.id);
  assert.equal(engine.registerReplace("other", b), undefined);
  engine.send("first", "to b", { tag: 9, from: a });
  const message = b.tryRecv();
  assert.deepEqual([message.text(), message.tag, message.from.id], ["to b", 9, a.id]);
  engine.unregister("other");
  assert.throws(() => engine.unregister("other"), { code: "TD_ENOTFOUND" });
  assert.throws(() => engine.send("other", "x"), { code: "TD_ENOTFOUND" });
  b.close();
  assert.equal(engine.whereis("first"), undefined);
  assert.throws(() => engine.register("x", b), { code: "TD_ENOPROC" });
  engine.register("ünïcode", a);
  engine.send("ünïcode", "ü");
  assert.equal(a.tryRecv().text(), "ü");
});

test("topics: patterns, receipts, bounds of a subscription, unsubscribe", (t) => {
  const engine = engineOf(t);
  const a = engine.mailbox();
  const star = a.subscribe("a.*");
  a.subscribe("a.>");
  assert.deepEqual(engine.publish("a", "x"), { matched: 0, queued: 0, dropped: 0 });
  assert.deepEqual(engine.publish("a.b", "one", { tag: 3, from: a }), { matched: 2, queued: 2, dropped: 0 });
  assert.deepEqual(engine.publish("a.b.c", "two"), { matched: 1, queued: 1, dropped: 0 });
  const got = [a.tryRecv(), a.tryRecv(), a.tryRecv()];
  assert.deepEqual(got.map((m) => [m.kind, m.topic, m.text(), m.tag]), [["topic", "a.b", "one", 3], ["topic", "a.b", "one", 3], ["topic", "a.b.c", "two", 0]]);
  assert.ok(got.some((m) => m.ref === star.id));
  assert.equal(got[0].from.id, a.id);
  star.unsubscribe();
  star.unsubscribe();
  assert.equal(engine.publish("a.b").matched, 1);
  a.tryRecv();
  const flushed = a.subscribe("f");
  engine.publish("f", "gone with it");
  flushed.unsubscribe({ flush: true });
  assert.equal(a.tryRecv(), undefined);
  const bounded = engine.mailbox();
  bounded.subscribe("news", { maxMessages: 2, policy: "drop_old" });
  const receipt = engine.publishMany("news", ["1", { data: "2", tag: 2 }, Buffer.from("3"), "4"]);
  assert.equal(receipt.matched, 4);
  assert.equal(receipt.matched, receipt.queued + receipt.dropped);
  const first = bounded.tryRecv();
  assert.deepEqual([first.text(), first.lost, bounded.tryRecv().text(), bounded.tryRecv()], ["3", 2, "4", undefined]);
  assert.throws(() => engine.publish("a.*", "x"), { code: "TD_EINVAL" });
  assert.throws(() => a.subscribe("a..b"), { code: "TD_EINVAL" });
});

test("text of many sizes in one publishMany arrives whole", (t) => {
  const engine = engineOf(t);
  const a = engine.mailbox();
  a.subscribe("long");
  const items = Array.from({ length: 200 }, (_, i) => ({ data: "é".repeat(i * 7), tag: i }));
  engine.publishMany("long", items);
  for (const { data, tag } of items) {
    const message = a.tryRecv();
    assert.deepEqual([message.tag, message.text()], [tag, data]);
  }
});

test("timers on the virtual clock: order, cancel, read, every, to a name", (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const a = engine.mailbox({ name: "timed" });
  const started = engine.now();
  engine.sendAfter(a, 20, "later", { tag: 2 });
  engine.sendAfter("timed", 10, "sooner", { tag: 1 });
  const cancelled = engine.sendAfter(a, 15.5, "never");
  assert.equal(cancelled.read(), 15.5);
  engine.advance(5);
  assert.equal(cancelled.cancel(), 10.5);
  assert.equal(cancelled.cancel(), undefined);
  assert.equal(cancelled.read(), undefined);
  assert.equal(a.tryRecv(), undefined);
  engine.advance(15);
  assert.equal(engine.now() - started, 20);
  const got = [a.tryRecv(), a.tryRecv()];
  assert.deepEqual(got.map((m) => [m.kind, m.tag, m.text()]), [["timer", 1, "sooner"], ["timer", 2, "later"]]);
  const tick = engine.sendEvery(a, 10, "tick");
  engine.advance(35);
  assert.equal(a.tryRecv().ref, tick.id);
  assert.equal(a.tryRecv(), undefined, "one tick at most is queued");
  engine.advance(5);
  assert.equal(a.tryRecv().text(), "tick");
  tick.cancel();
  engine.advance(100);
  assert.equal(a.tryRecv(), undefined);
});

test("timers on the real clock wake the event loop", async (t) => {
  const engine = engineOf(t);
  const ticks = [];
  const a = engine.mailbox({ handler: (message) => ticks.push(message.kind) });
  const timer = engine.sendEvery(a, 5);
  await until(() => ticks.length >= 5, "five ticks");
  timer.cancel();
  const reader = engine.mailbox();
  engine.sendAfter(reader, 10, "done");
  assert.equal((await reader.recv({ timeout: 5000 })).text(), "done");
});

test("counters count", (t) => {
  const engine = engineOf(t);
  const a = engine.mailbox({ name: "a" });
  const b = engine.mailbox();
  a.subscribe("x");
  b.monitor(a);
  engine.sendAfter(a, 60_000);
  engine.publish("x", "12345");
  const { sent, queued, queuedBytes, monitoredBy, timers, subscriptions, names, open } = a.stats();
  assert.deepEqual({ sent, queued, queuedBytes, monitoredBy, timers, subscriptions, names, open }, { sent: 1, queued: 1, queuedBytes: 5, monitoredBy: 1, timers: 1, subscriptions: 1, names: 1, open: true });
  const stats = engine.stats();
  assert.deepEqual([stats.mailboxes, stats.names, stats.timers, stats.subscriptions, stats.published], [2, 1, 1, 1, 1]);
  a.close();
  assert.equal(a.stats().reason, 0);
  assert.equal(engine.stats().names, 0);
});
