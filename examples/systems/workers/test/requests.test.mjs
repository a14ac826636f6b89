// Requests that fail, that nobody gets, or that come from workers.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { raw, serve } from "./daemons.mjs";
import { sleep, until, within } from "./support.mjs";

const short = ({ id }) => id.slice(-5);
const from = (answers, { pid }) => answers.filter(({ data }) => data?.pid === pid).map(({ data: { id: _, pid: __, ...rest } }) => rest);

test("E5: a stream that fails says so behind what came before, and the streams of others are complete", async (t) => {
  const daemon = await serve(t);
  const client = await raw(t, daemon);
  const answers = await client.ask("send-app-req", { request: "failing", data: { pid: daemon.worker(1).pid, count: 1_000 } });
  const counted = Array.from({ length: 1_000 }, (_, i) => ({ data: i + 1 }));
  assert.deepEqual(from(answers, daemon.worker(1)), [{ data: 1 }, { errors: [`no more of ${short(daemon.worker(1))}`] }]);
  for (const index of [0, 2]) assert.deepEqual(from(answers, daemon.worker(index)), counted);
  assert.deepEqual(answers.at(-1), { done: true });
});

test("E6: a handler that throws, and a request without a handler, are errors of the worker", async (t) => {
  const daemon = await serve(t, { workers: 2 });
  const client = await raw(t, daemon);
  const both = await client.ask("send-app-req", { request: "fail" });
  for (const index of [0, 1]) assert.deepEqual(from(both, daemon.worker(index)), [{ errors: [`boom ${short(daemon.worker(index))}`] }]);
  const { id, pid } = daemon.worker(0);
  const errors = ["Unhandled application request: nosuch"];
  assert.deepEqual(await client.ask("send-app-req", { request: "nosuch", workers: "0" }), [{ data: { id, pid, errors } }, { done: true }]);
  for (const request of ["__proto__", "constructor", { an: "object" }, null]) {
    const [{ data }] = await client.ask("send-app-req", { request, workers: "0" });
    assert.equal(data.errors[0], `Unhandled application request: ${request}`);
  }
});

test("E6: what cannot be a reply is an error of the worker", async (t) => {
  const daemon = await serve(t, { workers: 1 });
  const client = await raw(t, daemon);
  const [{ data }] = await client.ask("send-app-req", { request: "circular" });
  assert.match(data.errors[0], /circular/i);
});

test("E7: where no worker is selected a request is done at once, and a message has been sent", async (t) => {
  const daemon = await serve(t, { workers: 1 });
  const client = await raw(t, daemon);
  for (const workers of ["7", "", "zzz", "2-1", "self", "!self"]) {
    const begun = performance.now();
    assert.deepEqual(await client.ask("send-app-req", { request: "echo", workers }), [{ done: true }], workers);
    assert.deepEqual(await client.ask("send-app-msg", { message: "hello", workers }), [{ done: true }], workers);
    assert.ok(performance.now() - begun < 1_000, `${performance.now() - begun} ms`);
  }
  await daemon.ask("stop-workers");
  assert.deepEqual(await client.ask("send-app-req", { request: "echo" }), [{ done: true }]);
});

test("E9: self is the worker that asks, !self are all others, also those that stand by", async (t) => {
  const daemon = await serve(t, { standby: 1 });
  await until(() => daemon.workers().some(({ state }) => state === "suspended"), "one stands by");
  const client = await raw(t, daemon);
  const standby = daemon.workers().find(({ idx }) => idx === undefined);
  const told = () => daemon.said().filter((line) => line.includes("hello-from"));
  const gossip = async (to, hearers) => {
    const before = told().length;
    await client.ask("send-app-msg", { message: "gossip", data: { to }, workers: "0" });
    await until(() => told().length === before + hearers.length, () => `${to} is heard by ${hearers.length}: ${told().slice(before)}`);
    const expected = hearers.map((worker) => `${short(worker)} MESSAGE hello-from {"from":"${short(daemon.worker(0))}"}`);
    assert.deepEqual(told().slice(before).sort(), expected.sort());
  };
  const [first, second, third] = [0, 1, 2].map((index) => daemon.worker(index));
  await gossip("self", [first]);
  await gossip("!self", [second, third, standby]);
  await gossip(undefined, [first, second, third]);

  await client.ask("send-app-msg", { message: "ask", data: { to: "!self" }, workers: "1" });
  await daemon.saying(`${short(second)} ASKDONE`);
  const replies = daemon.said().filter((line) => line.includes("ASKREPLY")).map((line) => JSON.parse(line.slice(line.indexOf("{"))));
  const expected = [first, third, standby].map(({ id, pid }) => ({ id, pid, data: { echo: { n: 1 } } }));
  const byPid = (one, other) => one.pid - other.pid;
  assert.deepEqual(replies.sort(byPid), expected.sort(byPid));
  await client.ask("send-app-msg", { message: "ask", data: { to: "self" }, workers: "2" });
  await daemon.saying(`${short(third)} ASKDONE`);
  assert.ok(daemon.said().some((line) => line.startsWith(`${short(third)} ASKREPLY`) && line.includes(third.id)));
});

test("E15: a request that the daemon does not know is an error, and the connection goes on", async (t) => {
  const daemon = await serve(t, { workers: 1 });
  const client = await raw(t, daemon);
  for (const type of ["x", "connect", "constructor", "__proto__", ""]) assert.deepEqual(await client.ask(type, {}), [{ errors: [`Unknown IPC request type '${type}'`] }]);
  const [{ data }] = await client.ask("status");
  assert.equal(data.workers.length, 1);
  for (const count of [-1, 1.5, "many", null, 1e9]) {
    const [{ errors }] = await client.ask("set-worker-count", { count });
    assert.equal(errors?.length, 1, String(count));
  }
});

test("E4: what a worker that does not know how to wait says to a client that reads later is kept", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", workers: 2 });
  const client = await raw(t, daemon);
  client.socket.pause();
  client.send({ type: "send-app-req", id: "1", streams: true, data: { request: "stream", data: { count: 70_000 }, workers: "0" } });
  await sleep(1_500);
  const other = await raw(t, daemon);
  assert.equal((await other.ask("send-app-req", { request: "echo", data: 1 })).length, 3);
  client.socket.resume();
  await until(() => client.got.at(-1)?.done, () => `the end: ${client.got.length} frames, the last ${JSON.stringify(client.got.at(-1))}`);
  assert.deepEqual(client.got.slice(0, -1).map(({ data }) => data.data), Array.from({ length: 70_000 }, (_, i) => i + 1));
});

test("E14: whatever a worker says, the daemon and the other workers go on", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", workers: 2, longestLine: 100_000 });
  const client = await raw(t, daemon);
  const texts = ["\n\nnull\n", "{\n", "[1]\n", '"text"\n', '{"type":"bogus","data":{}}\n', '{"type":7}\n', '{"type":"reply","requestId":"none","done":true}\n', "x".repeat(90_000)];
  texts.push(`{"data":${"[".repeat(40_000)}${"]".repeat(40_000)}}\n`, '{"type":"online","data":null}\n', '{"type":"reply","requestId":{},"errors":1,"data":[]}\n');
  texts.push('{"type":"send-app-req","id":{},"data":7}\n', '{"type":"send-app-msg","id":"1","data":{"workers":{}}}\n', '{"type":"online","data":{"id":"x","pid":1,"suspended":"so"}}\n');
  for (const text of texts) {
    const [answer] = await client.ask("send-app-req", { request: "garbage", data: { text, times: 5 }, workers: "0" });
    assert.deepEqual(answer, { done: true }, text.slice(0, 100));
  }
  const answers = await client.ask("send-app-req", { request: "echo", data: 1 });
  assert.deepEqual(answers.map(({ data }) => data?.data.echo).sort(), [1, 1, undefined]);
  assert.deepEqual(daemon.workers().map(({ state }) => state), ["online", "online"]);
});

test("a client may have many requests open, but not any number", async (t) => {
  const daemon = await serve(t, { workers: 1 });
  const client = await raw(t, daemon);
  for (let n = 0; n < 10_050; n++) client.send({ type: "send-app-req", id: `${n}`, streams: true, data: { request: "never" } });
  await until(() => client.got.length === 50, () => `50 are refused: ${client.got.length}`);
  assert.ok(client.got.every(({ errors }) => errors[0].startsWith("10000 requests are open")));
  const other = await raw(t, daemon);
  assert.deepEqual((await other.ask("send-app-req", { request: "string" }))[0].data.data, "reply");
});

/**
 * What Nodesockd's own client makes of the replies to a request: what it reads together with the first of several it loses, and an end that is the first is none
 * that it can iterate over.
 */
async function asNodesockd(t, daemon, data) {
  const socket = connect(daemon.path);
  t.after(() => socket.destroy());
  socket.write(`${JSON.stringify({ type: "send-app-req", id: "1", data })}\n`);
  const replies = [];
  let isFirst = true;
  let rest = "";
  for await (const chunk of socket.setEncoding("utf8")) {
    const lines = `${rest}${chunk}`.split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const { data: reply, done, errors } = JSON.parse(line);
      if (errors !== undefined) throw new Error(errors.join());
      if (isFirst && done) throw new TypeError("undefined is not iterable");
      if (reply !== undefined) replies.push(reply);
      if (done) return replies;
      if (isFirst) {
        isFirst = false;
        break; // nobody listens yet to what else is in the chunk
      }
    }
  }
  throw new Error("the connection has ended");
}

test("E3, E4, E5, E6, E7: clients of Nodesockd lose no reply either", async (t) => {
  const daemon = await serve(t, { workers: 2 });
  const [one, other] = [0, 1].map((index) => daemon.worker(index));
  const ask = (request, data, workers) => within(asNodesockd(t, daemon, { request, data, workers }), `replies to ${request}`);
  const begun = performance.now();
  assert.deepEqual(await ask("echo", { n: 1 }, "0"), [{ id: one.id, pid: one.pid, data: { echo: { n: 1 } } }]);
  assert.deepEqual((await ask("string")).map(({ pid }) => pid).sort(), [one.pid, other.pid].sort());
  const streamed = await ask("stream", { count: 2_000 });
  for (const { pid } of [one, other]) assert.deepEqual(streamed.filter((reply) => reply.pid === pid).map(({ data }) => data), Array.from({ length: 2_000 }, (_, i) => i + 1));
  assert.deepEqual(await ask("nothing", undefined, "1"), [{ id: other.id, pid: other.pid }]);
  assert.deepEqual(await ask("fail", undefined, "0"), [{ id: one.id, pid: one.pid, errors: [`boom ${short(one)}`] }]);
  for (const workers of ["7", "self", "", "5-1"]) assert.deepEqual(await ask("echo", {}, workers), []);
  assert.deepEqual(await ask("stream", { count: 0 }), []);
  assert.ok(performance.now() - begun < 5_000, `${performance.now() - begun} ms`);
});

test("a worker that does not answer in time is an error, first reply and later ones each", async (t) => {
  const daemon = await serve(t, { workers: 2, requestTimeout: 300, replyTimeout: 100 });
  const client = await raw(t, daemon);
  const begun = performance.now();
  const answers = await client.ask("send-app-req", { request: "never" });
  assert.ok(performance.now() - begun >= 290);
  for (const index of [0, 1]) assert.deepEqual(from(answers, daemon.worker(index)), [{ errors: ["No reply within 300 ms"] }]);
  const stuck = await client.ask("send-app-req", { request: "stuck-stream", workers: "0" });
  assert.deepEqual(from(stuck, daemon.worker(0)), [{ data: 1 }, { errors: ["No reply within 100 ms"] }]);
});
