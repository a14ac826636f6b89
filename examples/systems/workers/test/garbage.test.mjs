// What clients should not send, and clients that leave or do not read: nobody else notices, and nothing is left of it.
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectTo } from "node:net";
import { test } from "node:test";
import { connect } from "../client.mjs";
import { apart, raw, serve } from "./daemons.mjs";
import { inside, node, openFiles, sleep, until, within } from "./support.mjs";

/** How it stands now; `again()` waits until it stands so again. */
function standing(daemon) {
  const state = () => JSON.stringify(inside(daemon.engine));
  const [before, files] = [state(), openFiles()];
  return { again: () => until(() => state() === before && openFiles() <= files, () => `what is left: ${before}, ${files} files -> ${state()}, ${openFiles()} files`) };
}

/** A client in the midst of a stream; `undisturbed` settles when that goes on, and requests are answered. */
async function bystander(t, daemon) {
  const client = await raw(t, daemon);
  const pids = daemon.workers().map(({ pid }) => pid);
  client.send({ type: "send-app-req", id: "endless", data: { request: "endless", workers: "0" } });
  let asked = 0;
  const undisturbed = async (what) => {
    const before = client.got.length;
    const answers = await client.ask("send-app-req", { request: "echo", data: { n: ++asked } });
    assert.deepEqual(answers.slice(0, -1).map(({ data }) => data.data), Array(pids.length).fill({ echo: { n: asked } }), what);
    await until(() => client.got.slice(before).some(({ requestId }) => requestId === "endless"), `the stream goes on after ${what}`);
    assert.deepEqual(daemon.workers().map(({ pid }) => pid), pids, what);
  };
  return Object.assign(undisturbed, { leave: () => client.socket.destroy() });
}

async function socketTo(daemon) {
  const socket = connectTo(daemon.path);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}
const closed = (socket) => within(socket.closed || once(socket.resume(), "close"), "the connection's end");

test("E14: what means nothing is ignored, and the connection goes on", async (t) => {
  const daemon = await serve(t);
  const undisturbed = await bystander(t, daemon);
  const client = await raw(t, daemon);
  const { id, pid } = daemon.worker(0);
  const frames = [
    { type: "bogus" },
    {},
    { type: 5, data: 7 },
    { type: "app-msg", data: { message: "hello" } },
    { type: "shutdown" },
    { type: "reply", requestId: "nobody's", data: 1, done: true },
    { type: "reply" },
    { type: "cancel-req" },
    { type: "cancel-req", data: { requestId: "nobody's" } },
    { type: "bogus", data: null },
    JSON.parse('{"type":"bogus","__proto__":{"id":1}}'),
  ];
  for (const frame of frames) {
    client.send(frame);
    const [{ data, done }] = await client.ask("status");
    assert.deepEqual([data.workers.length, done], [3, true], JSON.stringify(frame));
  }
  const requests = [
    [{ type: "send-app-req", data: { request: "echo", workers: 0 } }, /must be a string/],
    [{ type: "send-app-msg", data: { message: "x", workers: ["0"] } }, /must be a string/],
    [{ type: "set-worker-count", data: { count: -1 } }, /whole number/],
    [{ type: "set-standby-count", data: {} }, /whole number/],
    [{ type: "set-worker-count", data: { count: "9" } }, /whole number/],
    [{ type: "send-app-req", data: { request: "echo", workers: "0,".repeat(100_000) } }, /too long/],
    [{ type: 7 }, /Unknown IPC request type/],
    [{ type: "__proto__" }, /Unknown IPC request type/],
    [{}, /Unknown IPC request type/],
  ];
  for (const [{ type, data }, expected] of requests) {
    const [{ errors }] = await client.ask(type, data);
    assert.match(errors.join(), expected, JSON.stringify([type, data]).slice(0, 100));
  }
  for (const data of [null, 3, "text", [], [1]]) {
    const answers = await client.ask("send-app-req", data);
    assert.deepEqual(answers.at(-1).done, true);
  }
  await undisturbed("frames that mean nothing");

  const impostor = await socketTo(daemon);
  impostor.write(`${JSON.stringify({ type: "online", data: { id, pid } })}\n`);
  await closed(impostor);
  await undisturbed("one that says it is a worker");
});

test("E14: what is no frame ends its connection, and nothing else", async (t) => {
  const daemon = await serve(t);
  const room = standing(daemon);
  const undisturbed = await bystander(t, daemon);
  const deep = `{"type":"send-app-msg","id":"1","data":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`;
  for (const line of ["nonsense", "{", "3", "null", "[]", '"text"', "\u0000\u0001", "{'a':1}", deep]) {
    const socket = await socketTo(daemon);
    socket.write(`${line}\n`);
    await closed(socket);
    await undisturbed(line.slice(0, 50));
  }
  const half = await socketTo(daemon);
  half.end('{"type":"status","id":"1"');
  await closed(half);
  await undisturbed("half a line at the end");
  undisturbed.leave();
  await room.again();
});

test("E14: a line of 100 MB ends its connection, and costs no more than the bound", async (t) => {
  const daemon = await apart(t, { longestLine: 2 ** 20 });
  const before = await daemon.inspect();
  const socket = await socketTo(daemon);
  const chunk = Buffer.alloc(2 ** 16, "x");
  let sent = 0;
  const either = (resolve) => socket.once("drain", resolve).once("close", resolve);
  for (; sent < 100e6 && !socket.destroyed; sent += chunk.length) if (!socket.write(chunk)) await new Promise(either);
  await closed(socket);
  const { rss, inside: left, files } = await daemon.inspect();
  t.diagnostic(`hung up after ${(sent / 2 ** 20).toFixed(1)} MiB, ${rss - before.rss} MiB more`);
  assert.ok(rss - before.rss < 50);
  assert.deepEqual([left, files], [before.inside, before.files]);
});

test("E14: frames byte by byte, in pieces, and many in one write are all answered", async (t) => {
  const daemon = await serve(t);
  const client = await raw(t, daemon);
  const line = (id) => Buffer.from(`${JSON.stringify({ type: "send-app-req", id, data: { request: "echo", data: { text: "zwölf \u{1f600}" }, workers: "0" } })}\n`);
  const answered = (id) => until(() => client.got.some(({ requestId, done }) => requestId === id && done), id);
  for (const byte of line("bytes")) {
    client.socket.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  await answered("bytes");
  const many = Array.from({ length: 1_000 }, (_, n) => `many ${n}`);
  client.socket.write(Buffer.concat(many.map(line)));
  await answered("many 999");
  for (const id of many) await answered(id);
  const texts = client.got.filter(({ data }) => data !== undefined).map(({ data }) => data.data.echo.text);
  assert.deepEqual(texts, Array(1_001).fill("zwölf \u{1f600}"));
});

test("E14: 5,000 random frames and other bytes", async (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`SEED=${seed}`);
  let state = seed;
  const random = (below) => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) % below;
  const pick = (list) => list[random(list.length)];
  const daemon = await serve(t);
  const { id, pid } = daemon.worker(0);
  const room = standing(daemon);
  const undisturbed = await bystander(t, daemon);
  const scraps = [undefined, null, 0, -1, 1e300, "", "x", "0", "!self", "$1", id, pid, [], [[]], {}, true, "status", "echo", "stream", { count: 3 }, { toString: 1 }];
  const types = ["status", "config", "send-app-msg", "send-app-req", "online", "broken", "reply", "cancel-req", "detach", "app-req", "resume-workers", "bogus"];
  const object = () => Object.fromEntries(["request", "message", "data", "workers", "id", "pid", "requestId", "count", "suspended"].filter(() => random(3) === 0).map((key) => [key, pick(scraps)]));
  const frame = () => JSON.stringify({ type: random(20) === 0 ? pick(scraps) : pick(types), id: pick([undefined, "1", "2", 3, null, {}]), data: random(4) === 0 ? pick(scraps) : object(), errors: pick([undefined, undefined, 1, ["x"]]), done: pick([undefined, true, 1]) });
  const noise = () => Buffer.from(Array.from({ length: random(200) }, () => random(256)));
  let sent = 0;
  while (sent < 5_000) {
    const socket = await socketTo(daemon);
    socket.resume();
    for (let n = random(50); n >= 0 && !socket.destroyed; n--, sent++) socket.write(random(100) === 0 ? noise() : `${frame()}\n`);
    await sleep(random(3));
    if (random(2) === 0) socket.destroy();
    else socket.end();
    if (random(20) === 0) await undisturbed("noise");
  }
  await undisturbed("all of it");
  undisturbed.leave();
  await room.again();
});

/** A client that can say how many streams without an end go on in all workers. */
async function counting(t, daemon) {
  const client = await connect(daemon.path);
  t.after(() => client.terminate());
  const endless = async () => {
    let sum = 0;
    for await (const { data } of client.sendAppRequest("endless-now")) sum += data;
    return sum;
  };
  assert.equal(await endless(), 0);
  return { client, endless };
}

test("E16: when a client goes in the midst of a stream, the workers' streams end", async (t) => {
  const daemon = await serve(t);
  const { endless } = await counting(t, daemon);
  const room = standing(daemon);

  const sockets = await Promise.all(Array.from({ length: 30 }, () => socketTo(daemon)));
  for (const socket of sockets) socket.resume().write('{"type":"send-app-req","id":"1","data":{"request":"endless"}}\n');
  await until(async () => (await endless()) === 90, "90 streams");
  sockets.forEach((socket, n) => (n % 2 === 0 ? socket.end() : socket.destroy()));
  await until(async () => (await endless()) === 0, "the end of all");

  const killed = node(t, ["counting.mjs", daemon.path, "1", "endless"]);
  await until(async () => (await endless()) === 3, killed.told);
  killed.child.kill("SIGKILL");
  await until(async () => (await endless()) === 0, "the end of a killed client's");
  await room.again();
});

test("E16: who leaves the loop over its replies gives the streams up, a client and a worker", async (t) => {
  const daemon = await serve(t);
  const { client, endless } = await counting(t, daemon);
  for await (const { data } of client.sendAppRequest("endless")) {
    if (data < 5) continue;
    await until(async () => (await endless()) === 3, "all have begun");
    break;
  }
  await until(async () => (await endless()) === 0, "the end of a client's");
  await client.sendAppMessage("leave", { to: "!self" }, "0");
  await daemon.saying(/LEFT/);
  await until(async () => (await endless()) === 0, "the end of a worker's");
});

test("E16: a stream that waits for its reader holds up no other request of the same client", async (t) => {
  const daemon = await serve(t);
  const { client } = await counting(t, daemon);
  let last = 0;
  for await (const { data } of client.sendAppRequest("stream", { count: 30_000 }, "0")) {
    assert.equal(data, ++last);
    if (data % 10_000 !== 1) continue;
    await sleep(200); // now there is more than anyone keeps
    const status = await client.getStatus();
    assert.equal(status.workers.length, 3);
    for await (const { data } of client.sendAppRequest("stream", { count: 10_000 }, "0")) assert.ok(data > 0);
  }
  assert.equal(last, 30_000);
});

test("E16: clients with the same ids, and many requests on one connection, get what is theirs", async (t) => {
  const daemon = await serve(t);
  const clients = await Promise.all(Array.from({ length: 20 }, () => raw(t, daemon)));
  const asked = clients.map(async (client, c) => {
    const echoes = Array.from({ length: 50 }, (_, n) => client.ask("send-app-req", { request: "echo", data: { c, n } }, `id ${n}`));
    (await Promise.all(echoes)).forEach((answers, n) => {
      assert.deepEqual(answers.map(({ data }) => data?.data), [...Array(3).fill({ echo: { c, n } }), undefined]);
    });
  });
  await within(Promise.all(asked), "all answers");
});

test("E16: a client that does not read is put out, costs no more than the bounds, and nobody waits for it", async (t) => {
  const daemon = await apart(t, { slowTimeout: 1_500 });
  const before = await daemon.inspect();
  const client = await connect(daemon.path);
  const slow = await socketTo(daemon);
  slow.pause();
  slow.write('{"type":"send-app-req","id":"1","data":{"request":"stream","data":{"count":100000000}}}\n');
  const begun = Date.now();
  let [most, longest] = [0, 0];
  while (Date.now() - begun < 1_200) {
    const asked = performance.now();
    for await (const { errors } of client.sendAppRequest("echo", { n: 1 })) assert.equal(errors, undefined);
    longest = Math.max(longest, performance.now() - asked);
    most = Math.max(most, (await daemon.inspect()).rss);
  }
  t.diagnostic(`${most - before.rss} MiB more at most; others waited ${longest.toFixed(0)} ms at most`);
  assert.ok(most - before.rss < 200);
  await client.terminate();
  await daemon.becomes(before);
  await closed(slow);
});
