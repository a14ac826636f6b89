// Payloads: every byte as it was sent, whatever the size and the way, and memory lent to the engine given back.
import assert from "node:assert/strict";
import { createHash, randomFillSync } from "node:crypto";
import { test } from "node:test";
import { alloc, Engine } from "tidings";
import { engineOf } from "../testing/engine.mjs";
import { collect, require, until } from "../testing/support.mjs";

const { native } = require("../lib/native.js");
const hash = (bytes) => createHash("sha1").update(bytes).digest("hex");

test("payloads from 0 bytes to 8 MiB arrive whole by recv, iteration and handler", async (t) => {
  const engine = engineOf(t);
  const sizes = [0, 1, 7, 8, 9, 31, 255, 4095, 4096, 4097, 65_535, 65_536, 262_144, 1_048_576, 1_048_577, 8 * 1_048_576, 3];
  const payloads = sizes.map((size) => randomFillSync(new Uint8Array(size)));
  const wanted = payloads.map(hash);
  const pulled = engine.mailbox();
  const iterated = engine.mailbox();
  const handled = [];
  const handler = engine.mailbox({ handler: (message) => handled.push(hash(message.data)) });
  for (const box of [pulled, iterated, handler]) for (const payload of payloads) box.send(payload);
  assert.deepEqual(sizes.map(() => hash(pulled.tryRecv().data)), wanted);
  const seen = [];
  for await (const message of iterated) if (seen.push(hash(message.data)) === sizes.length) break;
  assert.deepEqual(seen, wanted);
  await until(() => handled.length === sizes.length, "the handler");
  assert.deepEqual(handled, wanted);
});

test("payloads and topics of all small sizes keep their places in a batch", async (t) => {
  const engine = engineOf(t);
  const seen = [];
  const a = engine.mailbox({ handler: (message) => seen.push([message.topic, message.text(), message.tag]) });
  a.subscribe(">");
  const wanted = [];
  for (let i = 0; i < 300; i++) {
    const topic = `t.${"x".repeat(1 + (i % 23))}`;
    const text = "y".repeat(i % 41);
    engine.publish(topic, text, { tag: i });
    wanted.push([topic, text, i]);
  }
  engine.run();
  assert.deepEqual(seen, wanted);
});

test("what was sent does not change when the sender's buffer does", (t) => {
  const engine = engineOf(t);
  const a = engine.mailbox();
  for (const size of [10, 100_000]) {
    const buffer = Buffer.alloc(size, 1);
    a.send(buffer);
    buffer.fill(2);
    assert.ok(a.tryRecv().data.every((byte) => byte === 1));
  }
});

test("data stays valid after its batch, its mailbox and its engine are gone", async () => {
  const engine = new Engine();
  const a = engine.mailbox();
  for (let i = 0; i < 100; i++) a.send(Buffer.alloc(100, i));
  const kept = [];
  for (let m; (m = a.tryRecv()); ) kept.push(m.data);
  engine.close();
  await collect();
  kept.forEach((data, i) => assert.ok(data.length === 100 && data.every((byte) => byte === i)));
});

test("memory from alloc() travels by reference, is shared by all subscribers and given back once", async (t) => {
  const engine = engineOf(t);
  const readers = Array.from({ length: 5 }, () => engine.mailbox());
  for (const reader of readers) reader.subscribe("frames");
  const before = native.lent();
  let frame = alloc(100_000);
  frame.fill(7);
  for (let i = 0; i < 10; i++) engine.publish("frames", frame.subarray(i * 1000));
  assert.equal(native.lent().lent - before.lent, 10, "each publish lent it once");
  assert.equal(native.lent().released - before.released, 0);
  frame = undefined;
  await collect();
  for (const reader of readers) {
    for (let i = 0; i < 10; i++) {
      const { data } = reader.tryRecv();
      assert.equal(data.length, 100_000 - i * 1000);
      assert.ok(data.every((byte) => byte === 7));
    }
  }
  await until(() => native.lent().released - before.released === 10, "ten releases");
  await until(async () => (await collect(), native.lent().blocks === before.blocks), "the memory to be freed");
});

test("alloc: small sends of it are copied, a refused send lends nothing, odd sizes are errors", (t) => {
  const engine = engineOf(t);
  const a = engine.mailbox({ maxMessages: 1 });
  const before = native.lent();
  const memory = alloc(10_000);
  assert.ok(memory instanceof Uint8Array && memory.every((byte) => byte === 0));
  a.send(memory.subarray(0, 100));
  assert.throws(() => a.send(memory), { code: "TD_EFULL" });
  assert.deepEqual(native.lent(), { ...before, blocks: before.blocks + 1 });
  assert.equal(alloc(0).length, 0);
  assert.throws(() => alloc(-1), { code: "TD_EINVAL" });
  assert.throws(() => alloc(2 ** 40), { code: "TD_EINVAL" });
});

test("every policy's way of losing a lent payload gives it back once", async (t) => {
  const engine = engineOf(t);
  const before = native.lent();
  const memory = alloc(50_000);
  const dropOld = engine.mailbox({ maxMessages: 4, policy: "drop_old" });
  const dropNew = engine.mailbox({ maxMessages: 4, policy: "drop_new" });
  const closed = engine.mailbox();
  for (let i = 0; i < 100; i++) for (const box of [dropOld, dropNew, closed]) box.send(memory);
  assert.equal(native.lent().lent - before.lent, 300);
  await until(() => native.lent().released - before.released === 192, "what was dropped");
  closed.kill();
  dropOld.close();
  dropNew.close();
  await until(() => native.lent().released - before.released === 300, "what was discarded");
});
