// Sending and pulling: order, matching, waiting, bounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Engine } from "tidings";
import { sleep, within } from "../testing/support.mjs";

const code = (wanted) => (error) => error.name === "TidingsError" && error.code === wanted;

test("what is sent arrives in order, with its tag, sender and bytes", (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const [a, b] = [engine.mailbox(), engine.mailbox()];
  a.send("höllo", { tag: 7, from: b });
  a.send(Uint8Array.of(0, 255, 1), { tag: 2n ** 63n + 1n });
  a.send(Buffer.from("abcdef").subarray(2, 4));
  a.send(new Uint16Array([0x4241, 0x4443]).buffer);
  a.send();
  const first = a.tryRecv();
  assert.equal(first.kind, "message");
  assert.equal(first.text(), "höllo");
  assert.equal(first.tag, 7);
  assert.equal(first.from.id, b.id);
  assert.equal(first.lost, 0);
  assert.equal(first.topic, undefined);
  assert.equal(first.status, 0);
  assert.equal(first.deadline, undefined);
  const second = a.tryRecv();
  assert.deepEqual([...second.data], [0, 255, 1]);
  assert.equal(second.tag, 2n ** 63n + 1n);
  assert.equal(second.from, undefined);
  assert.equal(a.tryRecv().text(), "cd");
  assert.equal(a.tryRecv().text(), "ABCD");
  assert.equal(a.tryRecv().data.length, 0);
  assert.equal(a.tryRecv(), undefined);
});

test("recv waits for a message that comes later, and those who wait first are served first", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const a = engine.mailbox();
  const waits = [a.recv(), a.recv(), a.recv()];
  await sleep(5);
  for (const text of ["one", "two", "three"]) a.send(text);
  assert.deepEqual((await Promise.all(waits)).map((m) => m.text()), ["one", "two", "three"]);
});

test("a match takes the oldest that fits and leaves the rest in order", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const [a, b] = [engine.mailbox(), engine.mailbox()];
  for (let tag = 1; tag <= 6; tag++) a.send(`m${tag}`, { tag, from: tag === 5 ? b : undefined });
  assert.equal(a.tryRecv({ tag: 4 }).tag, 4);
  assert.equal(a.tryRecv({ from: b }).tag, 5);
  assert.equal(a.tryRecv({ tag: 2, tagMask: 6 }).tag, 2);
  assert.equal(a.tryRecv({ predicate: (m) => m.text() === "m6" }).tag, 6);
  assert.equal(a.tryRecv({ kind: "down" }), undefined);
  assert.equal(a.tryRecv({ tag: 1, predicate: (m) => m.text() === "other" }), undefined);
  assert.equal((await a.recv({ tag: 3 })).tag, 3);
  assert.equal(a.tryRecv().tag, 1);
  assert.equal(a.tryRecv(), undefined);
});

test("a selective wait behind a backlog is served when its message comes, and again by predicate", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const a = engine.mailbox();
  for (let i = 0; i < 100; i++) a.send("other", { tag: 1 });
  const byTag = a.recv({ tag: 2 });
  const byPredicate = a.recv({ predicate: (m) => m.text() === "it" });
  await sleep(30);
  a.send("it", { tag: 3 });
  assert.equal((await byPredicate).tag, 3);
  setTimeout(() => a.send("late", { tag: 2 }), 20);
  assert.equal((await byTag).text(), "late");
  assert.equal(a.stats().queued, 100);
});

test("timeout and abort reject and take nothing", async (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const a = engine.mailbox();
  const started = performance.now();
  await assert.rejects(a.recv({ timeout: 30 }), code("TD_ETIMEDOUT"));
  assert.ok(performance.now() - started >= 29, "not before its time");
  const controller = new AbortController();
  const aborted = a.recv({ signal: controller.signal });
  controller.abort(new Error("changed my mind"));
  await assert.rejects(aborted, /changed my mind/);
  await assert.rejects(a.recv({ signal: AbortSignal.abort() }), { name: "AbortError" });
  a.send("still here");
  assert.equal(a.tryRecv().text(), "still here");
  await assert.rejects(a.recv({ timeout: -1 }), code("TD_EINVAL"));
});

test("a wait that is aborted at the moment its message comes loses none: each of 500 is received once", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const a = engine.mailbox();
  const seen = [];
  for (let i = 0; i < 500; i++) {
    const controller = new AbortController();
    const wait = a.recv({ signal: controller.signal }).then((m) => seen.push(m.tag), () => {});
    if (i % 3 === 0) await null;
    a.send("x", { tag: i });
    if (i % 2) await new Promise(setImmediate);
    controller.abort();
    await wait;
  }
  for (let m; (m = a.tryRecv()); ) seen.push(m.tag);
  assert.deepEqual(seen.sort((x, y) => x - y), Array.from({ length: 500 }, (_, i) => i));
});

test("iteration takes all, and what a break leaves goes back in order", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const a = engine.mailbox();
  for (let tag = 1; tag <= 10; tag++) a.send("", { tag });
  const seen = [];
  for await (const { tag } of a) {
    seen.push(tag);
    if (tag === 4) break;
  }
  assert.equal(a.stats().delivered, 4);
  assert.equal(a.tryRecv({ tag: 9 }).tag, 9, "a receive between two iterations sees them all");
  for await (const { tag } of a) {
    seen.push(tag);
    if (tag === 5) assert.equal(a.tryRecv({ tag: 8 }).tag, 8, "a receive inside an iteration too");
    if (tag === 10) a.close();
  }
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 10]);
});

test("a slow reader leaves messages in the mailbox, where the policy drops them", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const a = engine.mailbox({ maxMessages: 10, policy: "drop_old" });
  const got = [];
  let lost = 0;
  const reading = (async () => {
    for await (const message of a) {
      got.push(message.tag);
      lost += message.lost;
      await sleep(20); // meanwhile 1,000 more come
      if (message.tag === 2000) break;
    }
  })();
  for (let tag = 1; tag <= 2000; tag++) {
    a.send("", { tag });
    if (tag % 1000 === 0) await sleep(5);
  }
  await reading;
  assert.ok(got.length <= 22, `two bounds and the first at most, not ${got.length}`);
  assert.deepEqual(got, [...got].sort((x, y) => x - y));
  assert.equal(lost + got.length, 2000, "every one is delivered or counted");
  assert.equal(a.stats().lost, lost);
});

test("bounds: fail, drop_new with its end marker, drop_old, too big", (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const fail = engine.mailbox({ maxMessages: 2, maxBytes: 100 });
  fail.send("1");
  fail.send("2");
  assert.throws(() => fail.send("3"), code("TD_EFULL"));
  assert.throws(() => fail.send("x".repeat(101)), code("TD_ETOOBIG"));
  assert.equal(fail.stats().refused, 2);
  assert.equal(engine.mailbox({ maxMessages: 3 }).sendMany(["a", "b", { data: "c", tag: 1 }, "d"]), 3);
  assert.throws(() => fail.sendMany(["a"]), code("TD_EFULL"));

  const dropOld = engine.mailbox({ maxMessages: 10, policy: "drop_old" });
  for (let tag = 1; tag <= 15; tag++) dropOld.send("", { tag });
  const first = dropOld.tryRecv();
  assert.deepEqual([first.tag, first.lost], [6, 5]);

  const dropNew = engine.mailbox({ maxMessages: 10, policy: "drop_new" });
  for (let tag = 1; tag <= 15; tag++) dropNew.send("", { tag });
  for (let tag = 1; tag <= 10; tag++) assert.deepEqual([dropNew.tryRecv().tag], [tag]);
  dropNew.close();
  const end = dropNew.tryRecv();
  assert.deepEqual([end.kind, end.lost, end.reason], ["end", 5, "normal"]);
  assert.throws(() => dropNew.tryRecv(), code("TD_ECLOSED"));
});

test("a full mailbox that blocks is an error at once, and waits where a timeout is given", (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const a = engine.mailbox({ maxMessages: 1, policy: "block" });
  a.send("fits");
  let started = performance.now();
  assert.throws(() => a.send("does not"), (error) => /^TD_E(FULL|TIMEDOUT|AGAIN)$/.test(error.code));
  assert.ok(performance.now() - started < 20, "at once");
  started = performance.now();
  assert.throws(() => a.send("does not", { timeout: 50 }), code("TD_ETIMEDOUT"));
  assert.ok(performance.now() - started >= 49);
  assert.equal(a.stats().queued, 1);
});

test("closing ends waits and iterations at once, and later receives", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const a = engine.mailbox();
  const wait = a.recv();
  const iterating = (async () => {
    for await (const _ of a) assert.fail("nothing was sent");
    return "ended";
  })();
  await sleep(5);
  a.close();
  await assert.rejects(wait, code("TD_ECLOSED"));
  assert.equal(await iterating, "ended");
  assert.throws(() => a.tryRecv(), code("TD_ECLOSED"));
  await assert.rejects(a.recv(), code("TD_ECLOSED"));
  assert.throws(() => a.send("x"), code("TD_ENOPROC"));
  assert.throws(() => a.exit(), code("TD_ENOPROC"));
  assert.equal(a.stats().open, false);
});

test("bad arguments are errors that say what would be right", (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const a = engine.mailbox();
  const refused = (run, text) => assert.throws(run, (error) => code("TD_EINVAL")(error) && text.test(error.message));
  refused(() => a.send({ some: "object" }), /string, a Uint8Array/);
  refused(() => a.send(12), /not number/);
  refused(() => a.send("x", { tag: -1 }), /tag must be/);
  refused(() => a.send("x", { tag: 1.5 }), /tag must be/);
  refused(() => a.send("x", { tag: 2n ** 64n }), /64 bits/);
  refused(() => a.send("x", { tag: "1" }), /not string/);
  refused(() => a.send("x", { from: "bob" }), /from must be/);
  refused(() => engine.mailbox({ policy: "drop" }), /fail, block, drop_new, drop_old/);
  refused(() => engine.mailbox({ handler: 1 }), /handler/);
  refused(() => engine.mailbox({ maxMessages: -1 }), /maxMessages/);
  refused(() => engine.sendAfter(a, NaN), /milliseconds/);
  refused(() => a.tryRecv({ tagMask: 1 }), /needs a tag/);
  refused(() => a.exit("tired"), /reason must be/);
  assert.throws(() => engine.send(0x1234n, "x"), code("TD_EBADID"));
  assert.throws(() => engine.mailbox({ name: "x".repeat(256) }), code("TD_EINVAL"));
  assert.equal(engine.stats().mailboxes, 1, "a mailbox that was not opened is not there");
});

test("ids, messages and engines show themselves", (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const a = engine.mailbox({ name: "greeter" });
  assert.match(inspect(a), /^<Mailbox 0x[0-9a-f]{16} 'greeter'>$/);
  assert.match(inspect(engine), /^<Engine 0x[0-9a-f]{16}>$/);
  a.send("hello", { tag: 3, from: a });
  assert.match(inspect(a.tryRecv(), { breakLength: Infinity }), /^Message message \{ tag: 3, from: <Address 0x[0-9a-f]{16}>, data: <Buffer 68 65 6c 6c 6f> \}$/);
});

test("an id that went through structuredClone is still a target", (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const a = engine.mailbox();
  const { address } = structuredClone({ address: { id: a.id } });
  engine.send(address, "by copy");
  engine.send(a.id, "by number");
  assert.equal(Engine.from(engine.id), engine);
  assert.equal(a.tryRecv().text(), "by copy");
  assert.equal(a.tryRecv().text(), "by number");
});

test("readable says whether something waits, before and after the end", (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const a = engine.mailbox();
  assert.equal(a.readable, false);
  a.send("x");
  assert.deepEqual([a.readable, a.readable], [true, true]);
  a.suspend();
  assert.equal(a.readable, false);
  a.resume();
  a.tryRecv();
  assert.equal(a.readable, false);
  a.close();
  assert.equal(a.readable, true);
  assert.throws(() => engine.mailbox({ handler() {} }).readable, { code: "TD_EINVAL" });
});

test("ended settles with the end, now or later, for any mailbox; a timeout and a signal end the wait", async (t) => {
  const engine = new Engine();
  t.after(() => engine.close());
  const a = engine.mailbox({ handler() {} });
  await assert.rejects(a.ended({ timeout: 5 }), { code: "TD_ETIMEDOUT" });
  await assert.rejects(a.ended({ signal: AbortSignal.abort() }), { name: "AbortError" });
  const controller = new AbortController();
  const given_up = engine.address(a.id).ended({ signal: controller.signal });
  controller.abort();
  await assert.rejects(given_up, { name: "AbortError" });
  assert.equal(a.stats().monitoredBy, 0, "who gave up leaves nothing behind");
  const waits = [a.ended({ timeout: 5000 }), engine.address(a.id).ended({ timeout: 5000 })];
  a.exit(2000);
  await Promise.all(waits);
  await a.ended();
  await assert.rejects(engine.address(12345n).ended(), { code: "TD_EBADID" });
  const virtual = new Engine({ virtualClock: true });
  t.after(() => virtual.close());
  const waiting = virtual.mailbox().ended({ timeout: 20 });
  virtual.advance(20);
  await assert.rejects(waiting, { code: "TD_ETIMEDOUT" });
  // No time at all needs no advance.
  for (const wait of [virtual.mailbox().ended({ timeout: 0 }), virtual.mailbox().recv({ timeout: 0 })]) {
    await assert.rejects(within(wait, "a wait of no time"), { code: "TD_ETIMEDOUT" });
  }
  const there = virtual.mailbox();
  there.send("x");
  assert.equal((await there.recv({ timeout: 0 })).text(), "x");
  await assert.rejects(virtual.parked(1, { timeout: 5 }), { code: "TD_ETIMEDOUT" });
  await virtual.parked(0);
});
