// Looking into an engine, notifying, draining.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as tidings from "tidings";
import { Engine } from "tidings";
import { sleep, until } from "../testing/support.mjs";

function engineOf(t, options) {
  const engine = new Engine(options).ref();
  t.after(() => engine.close());
  return engine;
}

test("inspect shows everything as one object; explain and the recorder are text", (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox({ name: "somebody" });
  box.send("waiting");
  box.subscribe("a.b");
  const seen = engine.inspect();
  assert.equal(typeof seen, "object");
  assert.match(JSON.stringify(seen), /"somebody"/);
  assert.match(JSON.stringify(seen), /"a\.b"/);
  assert.equal(typeof tidings.inspect(), "object");
  const text = tidings.explain(box);
  assert.match(text, /somebody/);
  assert.equal(tidings.explain(box.id).split("\n")[0], text.split("\n")[0]);
  box.exit(1030, "enough");
  assert.match(tidings.explain(box), /1030|enough/);
  assert.ok(tidings.recorder().split("\n").length > 3);
  assert.throws(() => tidings.explain("box"), { code: "TD_EINVAL" });
  engine.close();
  assert.throws(() => engine.inspect(), { code: "TD_EINVAL" });
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
