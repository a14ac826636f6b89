// Calls: exactly one outcome, never a blocked thread.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine, ReplyError } from "tidings";
import { collect, sleep, until } from "../testing/support.mjs";

function engineOf(t, options) {
  const engine = new Engine(options);
  t.after(() => engine.close());
  return engine;
}

test("a request is answered, by id and by name, from nobody and from a mailbox", async (t) => {
  const engine = engineOf(t);
  const me = engine.mailbox();
  engine.mailbox({ name: "upper", handler: (request) => request.reply(`${request.text().toUpperCase()} ${request.from?.id === me.id ? "you" : "who?"} ${request.tag}`) });
  const reply = await engine.call("upper", "hello", { tag: 4 });
  assert.deepEqual([reply.kind, reply.text(), reply.tag], ["reply", "HELLO who? 4", 4]);
  assert.equal((await engine.whereis("upper").call("mine", { from: me })).text(), "MINE you 0");
  assert.equal(me.tryRecv(), undefined, "the reply went to the promise");
  const many = await Promise.all(Array.from({ length: 1000 }, (_, i) => engine.call("upper", `n${i}`)));
  assert.ok(many.every((answer, i) => answer.text() === `N${i} who? 0`));
});

test("an answer finds its call behind a backlog that nobody reads", async (t) => {
  const engine = engineOf(t);
  const me = engine.mailbox();
  for (let i = 0; i < 50; i++) me.send("later");
  const server = engine.mailbox({ handler: (request) => setTimeout(() => request.reply("done"), 10) });
  assert.equal((await engine.call(server, "x", { from: me })).text(), "done");
  assert.equal(me.stats().queued, 50);
});

test("errors of a call: nobody, an error reply, dying, too late, aborted", async (t) => {
  const engine = engineOf(t);
  const gone = engine.mailbox();
  gone.close();
  await assert.rejects(engine.call(gone, "x"), { code: "TD_ENOPROC" });
  await assert.rejects(engine.call("no such name", "x"), { code: "TD_ENOTFOUND" });
  const refusing = engine.mailbox({ handler: (request) => request.replyError(42, "no") });
  await assert.rejects(engine.call(refusing, "x"), (error) => error instanceof ReplyError && error.status === 42 && Buffer.from(error.data).toString() === "no");
  const dying = engine.mailbox({ handler: (request) => (request, dying.exit(2000, "last words")) });
  await assert.rejects(engine.call(dying, "x"), (error) => error.code === "TD_EDOWN" && error.reason === "user_2000" && error.status === 2000 && Buffer.from(error.data).toString() === "last words");
  const silent = engine.mailbox();
  const started = performance.now();
  await assert.rejects(engine.call(silent, "x", { timeout: 30 }), { code: "TD_ETIMEDOUT" });
  assert.ok(performance.now() - started >= 29);
  const controller = new AbortController();
  const call = engine.call(silent, "x", { signal: controller.signal, timeout: 60_000 });
  await sleep(5);
  controller.abort();
  await assert.rejects(call, { name: "AbortError" });
  const full = engine.mailbox({ maxMessages: 1 });
  full.send("x");
  await assert.rejects(engine.call(full, "x"), { code: "TD_EFULL" });
});

test("a request is answered once; a second answer is an error; a plain message cannot be answered", async (t) => {
  const engine = engineOf(t);
  let second;
  const server = engine.mailbox({
    handler: (request) => {
      request.reply("first");
      try {
        request.reply("second");
      } catch (error) {
        second = error.code;
      }
    },
  });
  assert.equal((await engine.call(server)).text(), "first");
  assert.equal(second, "TD_ESTALE");
  const plain = engine.mailbox();
  plain.send("x");
  assert.throws(() => plain.tryRecv().reply("y"), { code: "TD_EINVAL" });
});

test("the deadline of a call is on the engine's clock", async (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const silent = engine.mailbox();
  let settled = false;
  const call = engine.call(silent, "x", { timeout: 1000 }).finally(() => (settled = true));
  const wait = engine.mailbox().recv({ timeout: 1000 });
  call.catch(() => {});
  wait.catch(() => {});
  engine.advance(999);
  await sleep(20);
  assert.equal(settled, false);
  engine.advance(1);
  await assert.rejects(call, { code: "TD_ETIMEDOUT" });
  await assert.rejects(wait, { code: "TD_ETIMEDOUT" });
  assert.equal(silent.tryRecv(), undefined, "an expired request is not delivered");
});

test("a request that is let go unanswered fails its call", async (t) => {
  const engine = engineOf(t);
  let taken = 0;
  const server = engine.mailbox({ handler: () => void taken++ });
  const call = engine.call(server, "x", { timeout: 60_000 });
  let outcome;
  call.catch((error) => (outcome = error.code));
  await until(() => taken === 1, "the request");
  await until(async () => (await collect(), outcome), "the ticket to be dropped");
  assert.equal(outcome, "TD_ENOREPLY");
});

test("closing the caller's mailbox or the engine settles its calls", async (t) => {
  const engine = engineOf(t);
  const me = engine.mailbox();
  const silent = engine.mailbox();
  const fromMe = engine.call(silent, "x", { from: me });
  const fromNobody = engine.call(silent, "x");
  fromNobody.catch(() => {});
  await sleep(5);
  me.close();
  await assert.rejects(fromMe, { code: "TD_ECLOSED" });
  await assert.rejects(engine.call(silent, "x", { from: me }), { code: "TD_EINVAL" });
  engine.close();
  await assert.rejects(fromNobody, { name: "TidingsError" });
});

test("request: the answer, or what came of the call, is a message in its place; cancel says whether it came in time", async (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const me = engine.mailbox();
  const server = engine.mailbox({ name: "server" });
  const asked = me.request(server, "one", { tag: 5 });
  const late = me.request("server", "two", { tag: 6, timeout: 1 });
  const given = me.request(server, "three");
  const withdrawn = me.request(server, "four");
  me.send("between");
  const one = server.tryRecv();
  one.reply("here");
  server.tryRecv();
  engine.advance(1);
  server.tryRecv().replyError(7, "no");
  assert.equal(withdrawn.cancel(), true);
  assert.equal(withdrawn.cancel(), false);
  const got = [];
  for (let m; (m = me.tryRecv()); ) got.push([m.kind, m.ref, m.tag, m.status, m.error, m.text()]);
  assert.deepEqual(got, [
    ["message", 0n, 0, 0, undefined, "between"],
    ["reply", asked.id, 5, 0, undefined, "here"],
    ["reply", late.id, 6, -9, "TD_ETIMEDOUT", ""],
    ["reply", given.id, 0, 7, undefined, "no"],
  ]);
  assert.equal(asked.cancel(), false);
  assert.throws(() => me.request("nobody there"), { code: "TD_ENOTFOUND" });
  assert.throws(() => me.request(server, "x", { timeout: -1 }), { code: "TD_EINVAL" });
  server.close();
  assert.throws(() => me.request(server), { code: "TD_ENOPROC" });
});

test("drop: the caller hears at once that no answer comes, and the request is used up", async (t) => {
  const engine = engineOf(t);
  const server = engine.mailbox();
  const call = engine.call(server, "x");
  const request = server.tryRecv();
  request.drop();
  await assert.rejects(call, { code: "TD_ENOREPLY" });
  assert.throws(() => request.drop(), { code: "TD_ESTALE" });
  assert.throws(() => request.reply("after all"), { code: "TD_ESTALE" });
  server.send("plain");
  assert.throws(() => server.tryRecv().drop(), { code: "TD_EINVAL" });
});
