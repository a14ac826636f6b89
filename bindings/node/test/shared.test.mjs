// A C producer and this package in one process share one engine: the producer is linked to the installed library, is loaded first, and
// publishes from a thread of its own; what arrives here is the identical byte sequence.
import assert from "node:assert/strict";
import { readFileSync, realpathSync } from "node:fs";
import path from "node:path";
import { after, test } from "node:test";
import { buildProducer, collect, libraryFolder, require, scratchFolder, sleep, until } from "../testing/support.mjs";

const producer = require(buildProducer(scratchFolder()));
const { alloc, defaultEngine, library } = await import("tidings");
const { native } = require("../lib/native.js");
const engine = defaultEngine().ref();
after(() => engine.unref());

const MESSAGES = 1_000_000;
const BOUNDS = { maxMessages: 2 * MESSAGES, maxBytes: 2 ** 31 }; // nothing is to be dropped, however slow this side is

/** The same FNV-1a as producer.c's. */
class Hash {
  value = 2166136261;
  #words = new Uint32Array(2);
  add(message) {
    this.#words[0] = message.data.length;
    this.#words[1] = message.tag;
    this.#bytes(new Uint8Array(this.#words.buffer));
    this.#bytes(message.data);
  }
  #bytes(data) {
    let h = this.value;
    for (let i = 0; i < data.length; i++) h = Math.imul(h ^ data[i], 16777619);
    this.value = h >>> 0;
  }
}

async function finished(before) {
  const result = await until(() => (producer.result().done ? producer.result() : undefined), "the producer", 120_000);
  assert.equal(result.failure, 0);
  assert.equal(result.dropped, before.dropped);
  return result;
}

test("the package uses the copy of the library that the C host brought", () => {
  assert.equal(library.origin, "process");
  assert.equal(realpathSync(library.path), realpathSync(path.join(libraryFolder(), "libtidings.so.0")));
  const mapped = new Set(readFileSync("/proc/self/maps", "latin1").match(/\S*libtidings\.so\S*/g));
  assert.equal(mapped.size, 1, `one copy: ${[...mapped]}`);
});

test("a handler receives a million messages of a C thread as the identical bytes; every release runs once", async () => {
  const before = producer.result();
  const hash = new Hash();
  let count = 0;
  let inOrder = true;
  let lost = 0;
  const box = engine.mailbox({
    ...BOUNDS,
    handler: (message) => {
      inOrder &&= message.tag === count++;
      lost += message.lost;
      hash.add(message);
    },
  });
  box.subscribe("c.data");
  producer.publish("c.data", MESSAGES);
  await until(() => count === MESSAGES, "a million messages", 120_000);
  const result = await finished(before);
  assert.deepEqual({ inOrder, lost, hash: hash.value }, { inOrder: true, lost: 0, hash: result.hash });
  assert.ok(result.lent - before.lent > 1000, "some went by reference");
  await until(() => producer.result().released === result.lent, "every release");
  await sleep(20);
  assert.equal(producer.result().released, result.lent, "and none twice");
  box.close();
});

test("for await receives the same sequence", async () => {
  const before = producer.result();
  const hash = new Hash();
  const box = engine.mailbox(BOUNDS);
  box.subscribe("c.data");
  producer.publish("c.data", MESSAGES / 4);
  let count = 0;
  for await (const message of box) {
    assert.equal(message.tag, count);
    hash.add(message);
    if (++count === MESSAGES / 4) break;
  }
  const result = await finished(before);
  assert.equal(hash.value, result.hash);
  box.close();
  await until(() => producer.result().released === result.lent, "every release");
});

/** Lends 2,000 buffers and looks at those that are still there now and then. A function, so that it holds none afterwards. */
async function lendAndLook(box) {
  for (let round = 0; round < 2000; round++) {
    const memory = alloc(4096 + (round % 7) * 5000);
    memory.fill(round);
    box.send(memory, { tag: 2 ** 40 + round });
    if (round % 50 !== 0) continue;
    await new Promise(setImmediate);
    if (round % 500 === 0) await collect();
    for (let message; (message = box.tryRecv({ predicate: (m) => m.tag >= 2 ** 40 })); ) {
      const value = (message.tag - 2 ** 40) & 0xff;
      assert.ok(message.data.every((byte) => byte === value), `message ${message.tag} has its bytes`);
    }
  }
}

test("a C thread evicts buffers that Node lent, and no byte of what is left is wrong", async () => {
  const before = native.lent();
  const box = engine.mailbox({ name: "evicted", maxMessages: 64, policy: "drop_old" });
  producer.flood("evicted", 1);
  await lendAndLook(box);
  const { lost } = box.stats();
  assert.ok(lost > 1000, `the C thread evicted: ${lost}`);
  engine.unregister("evicted"); // the flood stops finding it
  box.close();
  const { lent } = native.lent();
  assert.equal(lent - before.lent, 2000);
  await until(() => native.lent().released - before.released === 2000, "every buffer to come back");
  await until(async () => (await collect(), native.lent().blocks === before.blocks), "the memory to be freed");
});
