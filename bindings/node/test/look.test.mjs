// Looking into an engine, notifying, draining.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as tidings from "tidings";
import { engineOf } from "../testing/engine.mjs";
import { sleep, until, within } from "../testing/support.mjs";

test("inspect, explain and the recorder are objects", (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox({ name: "somebody" });
  box.send("waiting");
  box.subscribe("a.b");
  const seen = engine.inspect();
  assert.equal(typeof seen, "object");
  assert.match(JSON.stringify(seen), /"somebody"/);
  assert.match(JSON.stringify(seen), /"a\.b"/);
  assert.equal(typeof tidings.inspect(), "object");
  const alive = tidings.explain(box);
  assert.match(alive.text, /somebody/);
  assert.match(alive.what, /^0x[0-9a-f]{16} is an open mailbox$/);
  assert.equal(tidings.explain(box.id).what, alive.what);
  assert.deepEqual(alive.details.names, ['"somebody"']);
  assert.match(alive.details.oldest, /^of the messages, tag 0x0, 7 bytes, from nobody, sent 0\./);
  assert.equal(alive.lately.find((one) => one.event === "send" && one.id === box.id).amount, "7 bytes");
  box.exit(1030, "enough");
  const over = tidings.explain(box);
  assert.match(over.what, /has ended: reason 1030/);
  assert.equal(over.details["it said"], '"enough"');
  assert.match(over.details.when, /ago, by thread /);
  const told = tidings.recorder();
  assert.equal(told.events.length, told.text.trim().split("\n").length - 1, "each line is an event");
  const mine = told.events.filter((one) => one.id === box.id && ["opened", "send", "ended"].includes(one.event));
  assert.deepEqual(mine.map((one) => one.event), ["opened", "send", "ended"]);
  assert.ok(mine.every((one) => one.thread === process.pid && one.times === 1 && one.age >= 0));
  assert.equal(mine[2].amount, "reason 1030");
  assert.throws(() => tidings.explain("box"), { code: "TD_EINVAL" });
  engine.close();
  assert.throws(() => engine.inspect(), { code: "TD_ESTALE" });
});

test("notify: bits are gathered into one message, for a reader and for a handler", async (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox({ notifiable: true, maxMessages: 1 });
  box.send("full");
  box.notify(1);
  box.notify(2n ** 63n);
  engine.address(box.id).notify(0);
  const bits = [];
  await until(() => {
    for (let m; (m = box.tryRecv({ kind: "notify" })); ) bits.push(BigInt(m.tag));
    return bits.reduce((a, b) => a | b, 0n) === 2n ** 63n + 1n;
  }, "both bits");
  assert.ok(bits.length <= 2);
  let got = 0n;
  const handler = engine.mailbox({ notifiable: true, handler: (message) => (got |= BigInt(message.tag)) });
  handler.notify(6);
  await until(() => got === 6n, "the handler");
  const plain = engine.mailbox();
  assert.throws(() => plain.notify(1), { code: "TD_EINVAL" });
  assert.throws(() => box.notify(-1), { code: "TD_EINVAL" });
  assert.throws(() => box.notify("1"), { code: "TD_EINVAL" });
  box.close();
  assert.throws(() => box.notify(1), { code: "TD_ENOPROC" });
});

test("drain: handlers empty their queues, outsiders are refused, and the report says what was left", async (t) => {
  const engine = engineOf(t);
  let handled = 0;
  const last = engine.mailbox({ handler: () => void handled++ });
  const first = engine.mailbox({ handler: (message) => last.send(message.data, { from: first }) });
  for (let i = 0; i < 5000; i++) first.send("x");
  const draining = engine.drain({ timeout: 20_000 });
  assert.throws(() => first.send("from outside"), { code: "TD_ECLOSED" });
  assert.throws(() => engine.mailbox(), { code: "TD_ECLOSED" });
  const report = await draining;
  assert.equal(handled, 5000);
  assert.deepEqual([report.complete, report.undelivered, report.suspended], [true, 0, []]);
  assert.throws(() => engine.mailbox(), { code: "TD_ESTALE" }, "it is closed");
});

test("drain: what nobody reads is left when the time is up, and suspended mailboxes are named", async (t) => {
  const engine = engineOf(t);
  const unread = engine.mailbox();
  const suspended = engine.mailbox({ handler() {} });
  suspended.suspend();
  unread.send("x");
  suspended.send("y");
  const started = performance.now();
  const report = await engine.drain({ timeout: 30 });
  assert.ok(performance.now() - started >= 29);
  assert.deepEqual([report.complete, report.undelivered, report.suspended.map((box) => box.id)], [false, 2, [suspended.id]]);
  const idle = engineOf(t);
  assert.equal((await idle.drain()).complete, true);
  await assert.rejects(idle.drain(), { code: "TD_ESTALE" });
});

test("drain: who waits for an end or for a time meanwhile is not refused, on either clock", async (t) => {
  for (const virtualClock of [false, true]) {
    const engine = engineOf(t, { virtualClock });
    const [box, busy] = [engine.mailbox(), engine.mailbox()];
    busy.send("left");
    const draining = engine.drain();
    const timed = [box.recv({ timeout: 50 }), busy.ended({ timeout: 50 })].map((wait) => assert.rejects(wait, { code: "TD_ETIMEDOUT" }));
    const ended = box.ended();
    if (virtualClock) engine.advance(49.5);
    const quick = [box.recv({ timeout: 0 }), busy.ended({ timeout: 0 })];
    for (const wait of quick) await within(assert.rejects(wait, { code: "TD_ETIMEDOUT" }), "a wait of no time");
    if (virtualClock) {
      await sleep(20);
      assert.equal(await Promise.race([...timed, "not yet"]), "not yet");
      engine.advance(0.5);
    }
    await within(Promise.all(timed), "waits of 50 ms");
    const aborted = new AbortController();
    const waiting = busy.ended({ signal: aborted.signal });
    aborted.abort(new Error("meant to"));
    await within(assert.rejects(waiting, /meant to/), "a wait that is given up");
    box.close();
    await within(ended, "the end of box");
    const last = busy.ended();
    const late = busy.recv({ tag: 9, timeout: 60_000 }).catch((error) => error.code);
    busy.tryRecv();
    assert.equal((await within(draining, "the drain")).complete, true);
    await within(last, "the end of busy");
    assert.equal(await within(late, "a wait in a closed engine"), "TD_ECLOSED");
  }
});

test("drain: its time is that of the engine's clock; calls from nobody are from outside, too", async (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const box = engine.mailbox();
  const before = engine.call(box, "x", { timeout: Infinity });
  box.tryRecv().reply();
  await before;
  box.send("never read");
  let report;
  const draining = engine.drain({ timeout: 50 }).then((it) => (report = it));
  await assert.rejects(engine.call(box, "x", { timeout: Infinity }), { code: "TD_ECLOSED" });
  await assert.rejects(engine.callMany([box], "x", { timeout: Infinity }).next(), { code: "TD_ECLOSED" });
  await assert.rejects(engine.stream(box, "x", { timeout: Infinity }).next(), { code: "TD_ECLOSED" });
  engine.advance(49);
  await sleep(80);
  assert.equal(report, undefined);
  engine.advance(1);
  await draining;
  assert.deepEqual([report.complete, report.undelivered], [false, 1]);
});

test("what is asked of a closed engine is not done to the one opened after it", async (t) => {
  const closed = engineOf(t);
  closed.close();
  const next = engineOf(t);
  const box = next.mailbox({ name: "box" });
  for (const ask of [() => closed.stats(), () => closed.now(), () => closed.mailbox(), () => closed.publish("a"), () => closed.unregister("box"), () => closed.whereis("box")])
    assert.throws(ask, { code: "TD_ESTALE" });
  await assert.rejects(closed.drain(), { code: "TD_ESTALE" });
  closed.close();
  box.send("still open");
  assert.equal(box.tryRecv().text(), "still open");
});
