// The framing, with streams and without a daemon.
import assert from "node:assert/strict";
import { once } from "node:events";
import { Duplex, PassThrough } from "node:stream";
import { test } from "node:test";
import { frames, write } from "../frames.mjs";

/** What comes of chunks: objects, and the messages of errors. */
async function read(chunks, options = {}) {
  const stream = new PassThrough();
  const got = [];
  const ended = once(stream, "end");
  frames(stream, { onFrame: (frame) => got.push(frame), onBad: (error) => got.push(`${error.name}: ${error.message}`), ...options });
  for (const chunk of chunks) {
    stream.write(chunk);
    await new Promise(setImmediate); // each comes by itself
  }
  stream.end();
  await ended;
  return got;
}
const lines = (...objects) => Buffer.from(objects.map((object) => `${JSON.stringify(object)}\n`).join(""));

test("E14: two frames in one write, one in several, and byte by byte", async () => {
  const objects = [{ a: 1 }, { text: "zwölf \u{1f600}\n" }, {}];
  const bytes = lines(...objects);
  assert.deepEqual(await read([bytes]), objects);
  for (let at = 1; at < bytes.length; at++) assert.deepEqual(await read([bytes.subarray(0, at), bytes.subarray(at)]), objects, `cut at ${at}`);
  assert.deepEqual(await read(Array.from(bytes, (byte) => Buffer.of(byte))), objects);
});

test("E14: bad JSON, and JSON that is no object, are reported; the next frame is read", async () => {
  const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
  const got = await read(["nonsense\n", '{"a":1}\n\n\r\n', "3\nnull\n[]\n\"x\"\n", `${deep}\n`, Buffer.from([0xff, 0xfe, 0x0a]), '{"a":2}\r\n']);
  assert.deepEqual(got.filter((one) => typeof one === "object"), [{ a: 1 }, { a: 2 }]);
  assert.deepEqual(got.filter((one) => typeof one === "string").map((one) => one.replace(/(no JSON): .*/, "$1")), [
    "BadFrame: no JSON",
    "BadFrame: no JSON", // of the line with a carriage return alone
    ...Array(4).fill("BadFrame: no JSON object"),
    "BadFrame: more than 500 levels",
    "BadFrame: no JSON",
  ]);
  const allowed = JSON.parse(`{"a":${"[".repeat(400)}${"]".repeat(400)},"pad":"${"x".repeat(2_000)}"}`);
  assert.deepEqual(await read([lines(allowed)]), [allowed]);
});

test("E14: a line that is too long is reported once, in one chunk or in many, and what follows is read", async () => {
  const limit = 100;
  const long = `{"a":"${"x".repeat(200)}"}\n`;
  const error = "BadFrame: a line of more than 100 bytes";
  assert.deepEqual(await read([`${long}{"b":1}\n`], { limit }), [error, { b: 1 }]);
  assert.deepEqual(await read([...long, '{"b":1}\n'], { limit }), [error, { b: 1 }]);
  assert.deepEqual(await read([long.slice(0, 90), `${long.slice(90)}{"b":1}\n`], { limit }), [error, { b: 1 }]);
  assert.deepEqual(await read([long.slice(0, 150)], { limit }), [error]);
  const exact = { a: "x".repeat(limit - 8) };
  assert.deepEqual(await read([lines(exact), lines(exact).subarray(0, 50), lines(exact).subarray(50)], { limit }), [exact, exact]);
});

test("E14: of 100 MB in one line no more than the bound is kept", async () => {
  const limit = 2 ** 20;
  const stream = new PassThrough();
  const bad = [];
  frames(stream, { limit, onFrame: assert.fail, onBad: ({ message }) => bad.push(message) });
  const before = process.memoryUsage().arrayBuffers;
  const chunk = Buffer.alloc(64 * 1024, "x");
  let most = 0;
  for (let sent = 0; sent < 100e6; sent += chunk.length) {
    if (!stream.write(chunk)) await once(stream, "drain");
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }
  assert.deepEqual(bad, [`a line of more than ${limit} bytes`]);
  assert.ok(most < 8 * limit, `${most} bytes`);
});

test("E14: half a line at the end is reported; after a destroy nothing comes", async () => {
  assert.deepEqual(await read(['{"a":1}\n{"b":']), [{ a: 1 }, "BadFrame: the last line, of 5 bytes, is not finished"]);
  const stream = new PassThrough();
  const got = [];
  frames(stream, { onFrame: (frame) => (got.push(frame), stream.destroy()), onBad: assert.fail });
  stream.write('{"a":1}\n{"b":2}\nnonsense');
  await once(stream, "close");
  assert.deepEqual(got, [{ a: 1 }]);
});

test("E14: a write says when the stream has enough, and the frames of one turn leave together", async () => {
  const written = [];
  let taken;
  const stream = new Duplex({
    writableHighWaterMark: 100,
    read() {},
    writev(chunks, done) {
      written.push(Buffer.concat(chunks.map(({ chunk }) => chunk)).toString());
      taken = done;
    },
  });
  assert.equal(write(stream, { a: 1 }), true);
  assert.equal(write(stream, { b: "x".repeat(100) }), false);
  await new Promise(setImmediate);
  assert.deepEqual(written, [`{"a":1}\n{"b":"${"x".repeat(100)}"}\n`]);
  const drained = once(stream, "drain");
  taken();
  await drained;
  assert.equal(write(stream, { c: 1 }), true);
  stream.destroy();
  assert.equal(write(stream, { d: 1 }), false);
});
