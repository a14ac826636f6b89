// Streamed replies, calls to many, and requests that are passed on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Engine, ReplyError } from "tidings";
import { engineOf } from "../testing/engine.mjs";
import { sleep, until } from "../testing/support.mjs";

const all = async (things) => {
  const list = [];
  for await (const thing of things) list.push(thing);
  return list;
};
const parts = async (stream, limit = Infinity) => {
  const texts = [];
  for await (const part of stream) {
    assert.equal(part.kind, "part");
    texts.push(part.text());
    if (texts.length === limit) break;
  }
  return texts;
};

test("a stream of 100,000 parts without a pause: all, in order, then the end; what waits is bounded", async (t) => {
  const engine = engineOf(t);
  const count = 100_000;
  let [ahead, most, sent, read] = [0, 0, 0, 0];
  const server = engine.mailbox({
    handler: async (request) => {
      assert.equal(request.text(), "count");
      for (let i = 0; i < count; i++) {
        await request.replyPart(String(i));
        sent++;
        ahead = sent - read;
        most = Math.max(most, ahead);
      }
      await request.replyEnd();
    },
  });
  for await (const part of engine.stream(server, "count", { maxMessages: 500, timeout: 300_000 })) {
    if (part.text() !== String(read)) assert.fail(`part ${part.text()} is the ${read}th`);
    read++;
  }
  assert.equal(read, count);
  assert.ok(most <= 502, `${most} were ahead`);
});

test("a stream from a worker thread comes at the reader's pace", async (t) => {
  const engine = engineOf(t);
  const text = `const w = require("node:worker_threads");
    import(${JSON.stringify(new URL("../index.mjs", import.meta.url).href)}).then(({ Engine }) => {
      const engine = Engine.from(w.workerData);
      engine.mailbox({ name: "counter", handler: async (request) => {
        for (let i = 0; i < 3000; i++) await request.replyPart(String(i));
        await request.replyEnd();
      } }).ref();
      w.parentPort.postMessage("open");
    });`;
  const worker = new Worker(text, { eval: true, workerData: engine.id });
  t.after(() => worker.terminate());
  await new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject));
  let n = 0;
  for await (const part of engine.stream("counter", undefined, { maxMessages: 16, timeout: 120_000 })) {
    assert.equal(part.text(), String(n++));
    if (n % 500 === 0) await sleep(5);
  }
  assert.equal(n, 3000);
});

test("a stream ends with an answer, an error, the replier's end, a silence, a signal; or is left", async (t) => {
  const engine = engineOf(t);
  const server = engine.mailbox();
  const serve = async (how) => {
    const request = await server.recv({ timeout: 20_000 });
    await request.replyPart("one");
    await request.replyPart("two");
    await how(request);
    return request;
  };
  serve((request) => request.reply("and all"));
  const stream = engine.stream(server, "x");
  assert.equal((await stream.next()).value.text(), "one");
  assert.equal((await stream.next()).value.text(), "two");
  const last = await stream.next();
  assert.deepEqual([last.done, last.value.kind, last.value.text()], [true, "reply", "and all"]);

  serve((request) => request.replyError(9, "broken"));
  await assert.rejects(parts(engine.stream(server)), (error) => error instanceof ReplyError && error.status === 9 && Buffer.from(error.data).toString() === "broken");
  serve((request) => request.drop());
  await assert.rejects(parts(engine.stream(server)), { code: "TD_ENOREPLY" });
  serve(() => sleep(1));
  await assert.rejects(parts(engine.stream(server, "x", { timeout: 60 })), { code: "TD_ETIMEDOUT" });
  const controller = new AbortController();
  serve(() => controller.abort());
  await assert.rejects(parts(engine.stream(server, "x", { signal: controller.signal })), { name: "AbortError" });
  const left = serve(async (request) => {
    await until(() => request.replyPart("more").then(() => false, (error) => error.code === "TD_ESTALE"), "the replier to hear of it");
  });
  assert.deepEqual(await parts(engine.stream(server), 2), ["one", "two"]);
  await left;
  serve(() => server.exit(3000, "gone"));
  await assert.rejects(parts(engine.stream(server)), (error) => error.code === "TD_EDOWN" && error.reason === "user_3000");
  await assert.rejects(parts(engine.stream(server)), { code: "TD_ENOPROC" });
  await assert.rejects(parts(engine.stream("no such name")), { code: "TD_ENOTFOUND" });
  await assert.rejects(parts(engine.stream(server, "x", { from: engine.address(server) })), { code: "TD_EINVAL" });
  assert.equal(engine.stats().mailboxes, 0, "each stream's own mailbox is gone");
});

test("parts come to a mailbox of one's own, among what else is in it", async (t) => {
  const engine = engineOf(t);
  const me = engine.mailbox({ maxMessages: 4 });
  me.send("unrelated");
  const server = engine.mailbox({
    handler: async (request) => {
      for (let i = 0; i < 10; i++) await request.replyPart(`${i}`);
      await request.replyEnd();
    },
  });
  assert.deepEqual(await parts(engine.stream(server, "x", { from: me })), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  assert.equal(me.tryRecv().text(), "unrelated");
  const call = me.request(server, "x");
  const first = await me.recv({ ref: call, timeout: 20_000 });
  assert.deepEqual([first.kind, first.text()], ["part", "0"]);
});

test("once a call is given up no part of it is seen, also not from a batch that is being read", async (t) => {
  const engine = engineOf(t);
  const me = engine.mailbox();
  const server = engine.mailbox();
  const call = me.request(server, "x");
  const request = server.tryRecv();
  for (let i = 0; i < 5; i++) await request.replyPart(`${i}`);
  me.send("after");
  const seen = [];
  for await (const message of me) {
    seen.push(message.text());
    if (seen.length === 2) call.cancel();
    if (message.text() === "after") break;
  }
  assert.deepEqual(seen, ["0", "1", "after"]);
});

test("a part waits for room, in line, and gives up by time or by signal; bad ones are errors", async (t) => {
  const engine = engineOf(t);
  const me = engine.mailbox({ maxMessages: 2 });
  const server = engine.mailbox();
  const call = me.request(server, "x", { timeout: 60_000 });
  const request = server.tryRecv();
  await request.replyPart("a");
  await request.replyPart("b");
  await assert.rejects(request.replyPart("late", { timeout: 10 }), { code: "TD_ETIMEDOUT" });
  await assert.rejects(request.replyPart("now or never", { timeout: 0 }), { code: "TD_EFULL" });
  const controller = new AbortController();
  const given_up = request.replyPart("given up", { signal: controller.signal });
  const waiting = [request.replyPart("c"), request.replyPart("d"), request.replyEnd()];
  controller.abort();
  await assert.rejects(given_up, { name: "AbortError" });
  const got = [];
  for (;;) {
    const message = await me.recv({ ref: call, timeout: 20_000 });
    if (message.kind === "reply") break;
    got.push(message.text());
  }
  await Promise.all(waiting);
  assert.deepEqual(got, ["a", "b", "c", "d"]);
  await assert.rejects(request.replyPart("after the end"), { code: "TD_ESTALE" });
  await assert.rejects(request.replyEnd(), { code: "TD_ESTALE" });
  me.send("plain");
  const plain = me.tryRecv();
  await assert.rejects(plain.replyPart("x"), { code: "TD_EINVAL" });
  await assert.rejects(plain.replyEnd(), { code: "TD_EINVAL" });
  await assert.rejects(request.replyPart({}), { code: "TD_EINVAL" });
});

test("callMany: answers as they come, failures by name, then the counts; nobody ends at once", async (t) => {
  const engine = engineOf(t);
  const quick = engine.mailbox({ name: "quick", handler: (request) => request.reply(`quick ${request.text()}`) });
  const slow = engine.mailbox({ handler: (request) => setTimeout(() => request.reply("slow"), 30) });
  const refusing = engine.mailbox({ handler: (request) => request.replyError(4) });
  const gone = engine.mailbox();
  gone.close();
  const dying = engine.mailbox({ handler: () => dying.exit(4000) });
  const silent = engine.mailbox();
  for (const from of [undefined, engine.mailbox()]) {
    const calls = engine.callMany([slow, "quick", refusing, gone.id, silent], "ask", { timeout: 300, from });
    const came = new Map();
    const order = [];
    let step;
    while (!(step = await calls.next()).done) {
      const { mailbox, reply, error } = step.value;
      came.set(mailbox.id, reply?.text() ?? error.code);
      order.push(mailbox.id);
    }
    assert.deepEqual(came, new Map([[gone.id, "TD_ENOPROC"], [quick.id, "quick ask"], [refusing.id, "REPLY_ERROR"], [slow.id, "slow"], [silent.id, "TD_ETIMEDOUT"]].sort((x, y) => order.indexOf(x[0]) - order.indexOf(y[0]))));
    assert.ok(order.indexOf(quick.id) < order.indexOf(slow.id));
    assert.equal(order.at(-1), silent.id);
    assert.deepEqual(step.value, { answered: 3, failed: 2 });
  }
  const [death] = await all(engine.callMany([dying]));
  assert.deepEqual([death.mailbox.id, death.error.code, death.error.reason], [dying.id, "TD_EDOWN", "user_4000"]);
  assert.deepEqual(await engine.callMany([]).next(), { value: { answered: 0, failed: 0 }, done: true });
  const controller = new AbortController();
  const aborted = engine.callMany([silent], "x", { signal: controller.signal }).next();
  await sleep(5);
  controller.abort();
  await assert.rejects(aborted, { name: "AbortError" });
  for await (const answer of engine.callMany([quick, silent], "x")) {
    assert.equal(answer.mailbox.id, quick.id);
    break;
  }
  await assert.rejects(engine.callMany(["nobody of that name"]).next(), { code: "TD_ENOTFOUND" });
  await assert.rejects(engine.callMany([5]).next(), { code: "TD_EINVAL" });
  const many = Array.from({ length: 500 }, (_, i) => engine.mailbox({ handler: (request) => request.reply(`${i}`) }));
  const me = engine.mailbox();
  me.send("unrelated");
  let sum = 0;
  for await (const { reply } of engine.callMany(many, "x", { from: me, timeout: 60_000 })) sum += Number(reply.text());
  assert.equal(sum, (499 * 500) / 2);
  assert.equal(me.tryRecv().text(), "unrelated");
  assert.equal(me.tryRecv(), undefined);
});

test("a part that may not wait is refused at once, whatever the clock, and never overtakes one that waits", async (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const me = engine.mailbox({ maxMessages: 1 });
  const server = engine.mailbox();
  const call = me.request(server, "x", { timeout: Infinity });
  const request = server.tryRecv();
  await request.replyPart("a", { timeout: 0 });
  await assert.rejects(request.replyPart("b", { timeout: 0 }), { code: "TD_EFULL" });
  const waiting = request.replyPart("c");
  assert.equal(me.tryRecv({ ref: call }).text(), "a");
  await assert.rejects(request.replyPart("d", { timeout: 0 }), { code: "TD_EFULL" });
  await waiting;
  assert.equal(me.tryRecv({ ref: call }).text(), "c");
});

test("requestMany: the answers of many are messages among the others, then their counts; giving it up takes all of them", (t) => {
  const engine = engineOf(t);
  const me = engine.mailbox();
  const [a, b, gone] = [engine.mailbox({ name: "a" }), engine.mailbox(), engine.mailbox()];
  gone.close();
  const calls = me.requestMany(["a", b, gone.id], "x", { tag: 5, timeout: 60_000 });
  me.send("unrelated");
  const [first, second] = [a.tryRecv(), b.tryRecv()];
  second.replyError(7, "no");
  first.reply("yes");
  const told = [];
  for (let m; (m = me.tryRecv()); ) told.push([m.kind, m.from?.id, m.error ?? m.status, m.text(), ...m.info]);
  assert.deepEqual(told, [
    ["reply", gone.id, "TD_ENOPROC", "", 0n, 0n], ["message", undefined, 0, "unrelated", 0n, 0n], ["reply", b.id, 7, "no", 0n, 0n],
    ["reply", a.id, 0, "yes", 0n, 0n], ["replies", undefined, 0, "", 2n, 1n],
  ]);
  assert.equal(calls.cancel(), false);
  const more = me.requestMany([a, b], "x");
  a.tryRecv().reply("queued");
  assert.equal(more.cancel(), true);
  assert.deepEqual([me.tryRecv(), b.tryRecv()], [undefined, undefined]);
  assert.throws(() => me.requestMany([5]), { code: "TD_EINVAL" });
  me.close();
  assert.throws(() => me.requestMany([a]), { code: "TD_ECLOSED" });
});

test("a request is passed on with the right to answer it; any message keeps its tag and bytes", async (t) => {
  const engine = engineOf(t);
  const worker = engine.mailbox({ name: "worker", handler: (request) => request.reply(`${request.text()} by worker, tag ${request.tag}`) });
  const front = engine.mailbox({ handler: (request) => request.forward(worker) });
  assert.equal((await engine.call(front, "done", { tag: 5 })).text(), "done by worker, tag 5");
  const byName = engine.mailbox({ handler: (request) => request.forward("worker", { from: front }) });
  assert.equal((await byName.call("again")).text(), "again by worker, tag 0");
  const [a, b, sender] = Array.from({ length: 3 }, () => engine.mailbox());
  a.send(Buffer.alloc(10_000, 7), { tag: 2n ** 60n, from: sender });
  const first = a.tryRecv();
  first.forward(b);
  const second = b.tryRecv();
  assert.deepEqual([second.kind, second.tag, second.from.id, second.data.length, second.data[9999]], ["message", 2n ** 60n, sender.id, 10_000, 7]);
  b.close();
  assert.throws(() => first.forward(b), { code: "TD_ENOPROC" });
  assert.throws(() => first.forward("nobody"), { code: "TD_ENOTFOUND" });
  assert.throws(() => first.forward({}), { code: "TD_EINVAL" });
});
