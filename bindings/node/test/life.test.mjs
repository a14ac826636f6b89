// Ends, links and suspensions.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { engineOf } from "../testing/engine.mjs";
import { sleep, until } from "../testing/support.mjs";

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

test("a receipt counts what the target consumed of this watcher's messages, and what it did not", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const target = engine.mailbox();
  target.send("before", { from: watcher });
  const monitor = watcher.monitor(target, { receipt: true });
  for (let i = 0; i < 5; i++) target.send("mine", { from: watcher });
  target.send("another's");
  for (let i = 0; i < 4; i++) target.tryRecv();
  target.close();
  const down = watcher.tryRecv();
  assert.deepEqual([down.ref, down.reason, down.consumed, down.discarded], [monitor.id, "normal", 3, 2]);
  const plain = engine.mailbox();
  watcher.monitor(plain);
  plain.close();
  const other = watcher.tryRecv();
  assert.deepEqual([other.consumed, other.discarded], [0, 0]);
  let received;
  const called = engine.mailbox();
  watcher.monitor(called, { receipt: true, died: (reason, down) => (received = [reason, down.consumed, down.discarded]), alreadyDown: () => assert.fail() });
  called.send("x", { from: watcher });
  called.close();
  await until(() => received, "the callback");
  assert.deepEqual(received, ["normal", 0, 1]);
  assert.throws(() => watcher.monitor("name", { receipt: true }), { code: "TD_EINVAL" });
  assert.throws(() => watcher.monitor(plain, { died: 5 }), { code: "TD_EINVAL" });
});

test("a receipt counts what a handler and an iteration were given before they ended their mailbox", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  let handled = 0;
  const handler = engine.mailbox({ handler: () => void (++handled === 3 && handler.exit(1500)) });
  const iterated = engine.mailbox();
  for (const box of [handler, iterated]) {
    watcher.monitor(box, { receipt: true });
    for (let i = 0; i < 5; i++) box.send("x", { from: watcher });
  }
  engine.run();
  let read = 0;
  for await (const message of iterated) if (message.text() === "x" && ++read === 3) iterated.kill();
  const downs = [watcher.tryRecv(), watcher.tryRecv()];
  assert.deepEqual(downs.map((down) => [down.from.id, down.consumed, down.discarded]), [[handler.id, 3, 2], [iterated.id, 3, 2]]);
  for (const box of [handler, iterated]) assert.deepEqual([box.stats().delivered, box.stats().discarded], [3, 2]);
});

test("a process of the system is monitored: its exit status, its signal, and one that is not there", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const child = spawn(process.execPath, ["-e", "process.stdin.on('data', () => process.exit(7))"], { stdio: ["pipe", "ignore", "ignore"] });
  const exited = new Promise((resolve) => child.on("exit", (...how) => resolve(how)));
  const monitor = watcher.monitorProcess(child.pid, { tag: 3 });
  assert.equal(watcher.tryRecv(), undefined);
  child.stdin.write("now");
  const down = await watcher.recv({ timeout: 20_000 });
  assert.deepEqual([down.kind, down.reason, down.ref, down.tag, down.consumed, down.discarded], ["down", "os_exit", monitor.id, 3, 0, 0]);
  assert.ok(down.exitCode === 7 || down.exitCode === undefined, "Node may have collected the status first");
  assert.deepEqual(await exited, [7, null], "Node's own news of its child is unharmed");
  const killed = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  const collected = new Promise((resolve) => killed.on("exit", resolve));
  let died;
  watcher.monitorProcess(killed.pid, { died: (reason, message) => (died = [reason, message.signal ?? "SIGKILL"]), alreadyDown: () => (died = "alreadyDown") });
  killed.kill("SIGKILL");
  await until(() => died, "the callback");
  assert.deepEqual(died, ["os_exit", "SIGKILL"]);
  await collected; // by Node: until then the process is there, as a zombie
  const gone = watcher.monitorProcess(killed.pid);
  const noproc = await watcher.recv({ timeout: 20_000 });
  assert.deepEqual([noproc.ref, noproc.reason], [gone.id, "noproc"]);
  for (const pid of [-5, 0, 1.5, "1", undefined]) assert.throws(() => watcher.monitorProcess(pid), { code: "TD_EINVAL" });
});
