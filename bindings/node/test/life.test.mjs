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
