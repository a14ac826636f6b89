// Ends, links and suspensions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "tidings";
import { sleep, until } from "../testing/support.mjs";

function engineOf(t, options) {
  const engine = new Engine(options).ref();
  t.after(() => engine.close());
  return engine;
}

test("suspend: what comes waits, in order and under its bound, for a reader and for a handler, until resume", async (t) => {
  const engine = engineOf(t);
  const handled = [];
  const pulled = engine.mailbox({ maxMessages: 3 });
  const pushed = engine.mailbox({ maxMessages: 3, handler: (message) => handled.push(message.text()) });
  const waiting = pulled.recv({ timeout: 20_000 });
  for (const box of [pulled, pushed]) {
    assert.equal(box.stats().suspended, false);
    box.suspend();
    box.suspend();
    for (const text of ["a", "b", "c"]) box.send(text);
    assert.throws(() => box.send("d"), { code: "TD_EFULL" });
    assert.equal(box.stats().suspended, true);
  }
  let early = true;
  waiting.then(() => assert.equal(early, false, "nothing is received before"));
  await sleep(20);
  assert.equal(engine.run(), 0);
  assert.equal(pulled.tryRecv(), undefined);
  assert.deepEqual(handled, []);
  early = false;
  engine.address(pulled.id).resume();
  pushed.resume();
  pushed.resume();
  assert.equal((await waiting).text(), "a");
  assert.deepEqual([pulled.tryRecv().text(), pulled.tryRecv().text(), pulled.tryRecv()], ["b", "c", undefined]);
  await until(() => handled.length === 3, "the handler");
  assert.deepEqual(handled, ["a", "b", "c"]);
  pulled.suspend();
  pulled.close();
  assert.throws(() => pulled.tryRecv(), { code: "TD_ECLOSED" });
  assert.throws(() => pulled.suspend(), { code: "TD_ENOPROC" });
  assert.throws(() => pulled.resume(), { code: "TD_ENOPROC" });
});

test("links: both end, with the reason; normal ends nobody else; who traps exits gets a message; unlink undoes it", async (t) => {
  const engine = engineOf(t);
  const trio = Array.from({ length: 3 }, () => engine.mailbox());
  const watcher = engine.mailbox();
  trio.forEach((box, tag) => watcher.monitor(box, { tag }));
  trio[0].link(trio[1]);
  trio[1].link(trio[0].id);
  trio[1].link(engine.address(trio[2].id));
  trio[0].exit(2000, "why");
  const downs = [watcher.tryRecv(), watcher.tryRecv(), watcher.tryRecv()];
  assert.deepEqual(downs.map((down) => [down.tag, down.reason]).sort(), [[0, "user_2000"], [1, "user_2000"], [2, "user_2000"]]);

  const [a, b, c] = Array.from({ length: 3 }, () => engine.mailbox());
  a.link(b);
  a.link(c);
  a.unlink(c);
  a.unlink(c);
  b.trapExit();
  a.kill();
  const exit = b.tryRecv();
  assert.deepEqual([exit.kind, exit.from.id, exit.reason, exit.status, exit.text()], ["exit", a.id, "killed", 1, ""]);
  assert.equal(c.stats().open, true, "unlinked");
  b.link(a);
  assert.deepEqual([b.tryRecv().reason, b.stats().open], ["noproc", true], "linking to the dead, trapping");
  assert.throws(() => c.link(a), { code: "TD_ENOPROC" });
  assert.throws(() => a.link(c), { code: "TD_ENOPROC" });
  b.trapExit(false);
  const normal = engine.mailbox();
  normal.link(b);
  normal.close();
  assert.deepEqual([b.tryRecv(), b.stats().open], [undefined, true]);
  assert.throws(() => b.link("name"), { code: "TD_EINVAL" });
  assert.throws(() => b.link(77n), { code: "TD_EBADID" });
  assert.throws(() => a.trapExit(), { code: "TD_ENOPROC" });
});

test("an exit reaches a handler; a mailbox that dies of a link settles who waits for it", async (t) => {
  const engine = engineOf(t);
  const exits = [];
  const trapping = engine.mailbox({ handler: (message) => exits.push([message.kind, message.reason, message.text()]) });
  trapping.trapExit();
  const dying = engine.mailbox({ handler() {} });
  const other = engine.mailbox();
  trapping.link(dying);
  dying.link(other);
  const pending = other.recv({ timeout: 20_000 });
  dying.exit(1500, "last");
  await assert.rejects(pending, { code: "TD_ECLOSED" });
  await until(() => exits.length === 1, "the exit");
  assert.deepEqual(exits, [["exit", "user_1500", "last"]]);
});

test("a handler that throws takes linked mailboxes with it", async (t) => {
  const engine = engineOf(t);
  const quiet = () => {};
  process.on("warning", quiet);
  t.after(() => process.off("warning", quiet));
  const failing = engine.mailbox({
    handler() {
      throw new Error("oops");
    },
  });
  const linked = engine.mailbox();
  const trapping = engine.mailbox();
  trapping.trapExit(true);
  failing.link(linked);
  failing.link(trapping);
  failing.send("x");
  const exit = await trapping.recv({ timeout: 20_000 });
  assert.deepEqual([exit.kind, exit.reason, exit.text()], ["exit", "callback_failed", "Error: oops"]);
  assert.equal(linked.stats().open, false);
  assert.equal(linked.stats().reason, 3);
});
