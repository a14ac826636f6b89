// Monitors: exactly one DOWN, and exactly one of the two callbacks.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Reason } from "tidings";
import { engineOf } from "../testing/engine.mjs";
import { until } from "../testing/support.mjs";

test("a DOWN says who, why, with what words, and by which name", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const target = engine.mailbox({ name: "worker" });
  const byId = watcher.monitor(target, { tag: 5 });
  const byName = watcher.monitor("worker");
  target.send("unread");
  target.exit(Reason.USER + 6, "tired");
  const downs = [await watcher.recv(), await watcher.recv()];
  const first = downs.find((down) => down.ref === byId.id);
  const second = downs.find((down) => down.ref === byName.id);
  assert.deepEqual([first.kind, first.from.id, first.status, first.reason, first.text(), first.topic, first.tag], ["down", target.id, 1030, "user_1030", "tired", undefined, 5]);
  assert.deepEqual([second.topic, second.text()], ["worker", "tired"]);
  assert.equal(watcher.tryRecv(), undefined);
});

test("two callbacks: died when it ends later, alreadyDown when it is not there, one of them once", async (t) => {
  const engine = engineOf(t);
  for (const handler of [undefined, () => assert.fail("a callback's DOWN does not reach the handler")]) {
    const watcher = engine.mailbox({ handler });
    const calls = [];
    const callbacks = (what) => ({ died: (reason, down) => calls.push([what, "died", reason, down.text()]), alreadyDown: (down) => calls.push([what, "alreadyDown", down.reason]) });
    const target = engine.mailbox();
    const ended = engine.mailbox();
    ended.close();
    watcher.monitor(target, callbacks("target"));
    watcher.monitor(ended, callbacks("ended"));
    watcher.monitor("no such name", callbacks("name"));
    await until(() => calls.length === 2, "the two that are not there");
    target.exit(Reason.USER, "why not");
    await until(() => calls.length === 3, "the one that ends");
    await new Promise(setImmediate);
    assert.deepEqual(calls, [["ended", "alreadyDown", "noproc"], ["name", "alreadyDown", "noproc"], ["target", "died", "user_1024", "why not"]]);
    assert.equal(watcher.stats().monitors, 0);
  }
});

test("a callback comes although the mailbox has messages that nobody reads", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const target = engine.mailbox();
  for (let i = 0; i < 10; i++) watcher.send("unread");
  let reason;
  watcher.monitor(target, { died: (why) => (reason = why) });
  target.kill();
  await until(() => reason, "the callback");
  assert.equal(reason, "killed");
  assert.equal(watcher.stats().queued, 10);
});

test("while someone reads everything, a callback is called in order", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const target = engine.mailbox();
  const order = [];
  watcher.monitor(target, { died: () => order.push("died") });
  const reading = (async () => {
    for await (const message of watcher) {
      order.push(message.text());
      if (message.text() === "after") break;
    }
  })();
  await new Promise(setImmediate);
  watcher.send("before", { from: target });
  target.close();
  watcher.send("after");
  await reading;
  assert.deepEqual(order, ["before", "died", "after"]);
});

test("demonitor tells what it found, and with flush nothing is seen after it", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const target = engine.mailbox();
  const [armed, queued, kept] = [1, 2, 3].map((tag) => watcher.monitor(target, { tag }));
  assert.equal(armed.demonitor(), "armed");
  let called = 0;
  const withCallback = watcher.monitor(target, { died: () => called++ });
  assert.equal(watcher.demonitor(withCallback, { flush: true }), "armed");
  target.close();
  assert.equal(queued.demonitor({ flush: true }), "flushed");
  assert.equal(kept.demonitor(), "delivered");
  assert.equal((await watcher.recv()).tag, 3);
  assert.equal(watcher.tryRecv(), undefined);
  assert.equal(kept.demonitor(), "delivered");
  assert.equal(called, 0);
});

test("a callback that throws ends the mailbox that watches", async (t) => {
  const engine = engineOf(t);
  const quiet = () => {};
  process.on("warning", quiet);
  t.after(() => process.off("warning", quiet));
  const outer = engine.mailbox();
  const watcher = engine.mailbox({ handler: () => {} });
  outer.monitor(watcher);
  watcher.monitor("nobody", {
    alreadyDown: () => {
      throw new Error("oops");
    },
  });
  const down = await outer.recv({ timeout: 5000 });
  assert.deepEqual([down.reason, down.text()], ["callback_failed", "Error: oops"]);
});
