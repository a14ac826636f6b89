// What ends with its scope, who is told of ends by events, and waits that are given up.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultEngine, Engine } from "tidings";
import { engineOf } from "../testing/engine.mjs";
import { runNode, testing, within } from "../testing/support.mjs";

const why = new Error("tired of it");

// ---------------------------------------------------------------- dispose

test("Symbol.dispose ends each thing, and is no error where that is over, also with its engine", async (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  const other = engine.mailbox();
  const things = [box.monitor(other), box.subscribe("a"), box.watchGroup("g"), engine.sendEvery(box, 60_000), box.request(other, "x")];
  for (const thing of things) {
    thing[Symbol.dispose]();
    thing[Symbol.dispose]();
  }
  const { monitors, subscriptions, timers } = box.stats();
  assert.deepEqual({ monitors, subscriptions, timers }, { monitors: 0, subscriptions: 0, timers: 0 });
  engine.publish("a", "x");
  box.join("g");
  other.close();
  await sleep(5);
  assert.equal(box.tryRecv(), undefined, "nothing of any of them");
  box[Symbol.dispose]();
  box[Symbol.dispose]();
  assert.equal(box.stats().open, false);

  const late = engine.mailbox();
  const left = [late.monitor(engine.mailbox()), late.subscribe("a"), late.watchGroup("g"), engine.sendEvery(late, 60_000), late];
  engine[Symbol.dispose]();
  for (const thing of left) thing[Symbol.dispose]();
  await late[Symbol.asyncDispose]();
  engine[Symbol.dispose]();
});

test("Symbol.asyncDispose of a mailbox closes it and is settled when it is over; of one's own engine lets what is on its way arrive", async () => {
  const engine = new Engine().ref();
  const seen = [];
  const box = engine.mailbox({ handler: (message) => seen.push(message.text()) });
  const closing = engine.mailbox({ handler() {} });
  await within(closing[Symbol.asyncDispose](), "the end of a mailbox");
  assert.equal(closing.stats().open, false);
  box.send("on its way");
  await within(engine[Symbol.asyncDispose](), "the end of an engine");
  assert.deepEqual(seen, ["on its way"]);
  assert.throws(() => engine.stats(), { code: "TD_ESTALE" });
  await engine[Symbol.asyncDispose]();

  const shared = defaultEngine();
  const { id } = shared;
  await shared[Symbol.asyncDispose]();
  assert.equal(defaultEngine().id, id, "one that others share goes on");
  defaultEngine().mailbox().close();
});

test("using and await using, as a compiler writes them", async () => {
  const ts = (await import("typescript")).default;
  const program = `
    import { Engine, Server } from "tidings";
    class Quiet extends Server { terminate(reason) { console.log("server", reason); } }
    const engine = new Engine();
    const watcher = engine.mailbox();
    {
      using box = engine.mailbox();
      await using server = Quiet.start({ engine });
      watcher.monitor(box, { died: (reason) => console.log("box", reason) });
    }
    await watcher.recv({ timeout: 1 }).catch(() => {});`;
  const { outputText } = ts.transpileModule(program, { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } });
  const { status, stdout, stderr } = await runNode(["--input-type=module", "-e", outputText], { cwd: testing, limit: 20_000 });
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: "server normal\nbox normal\n", stderr: "" });
});

// ---------------------------------------------------------------- events of ends

test("\"end\" is told once, with the reason, in a turn of its own, to whoever listens", async (t) => {
  const engine = engineOf(t);
  const peer = engine.mailbox();
  const ways = {
    normal: (box) => box.close(),
    killed: (box) => engine.address(box.id).kill(),
    user_2000: (box) => (peer.link(box), peer.exit(2000)),
    overflow: (box) => assert.throws(() => (box.send("x"), box.send("y")), { code: "TD_ENOPROC" }) ?? box,
    engine_closed: () => engine.close(),
  };
  for (const [reason, end] of Object.entries(ways)) {
    const box = engine.mailbox({ policy: "kill", maxMessages: 1 });
    const told = [];
    const unwanted = () => told.push("unwanted");
    assert.equal(box.on("end", (...args) => told.push(args)).on("end", unwanted).off("end", unwanted), box);
    assert.equal(box.listenerCount("end"), 1);
    const first = once(box, "end");
    try {
      end(box);
    } catch (error) {
      assert.equal(reason, "overflow", error.stack);
      engine.run();
    }
    if (reason !== "overflow") assert.deepEqual(told, [], "not inside what ended it");
    assert.deepEqual(await within(first, `the end: ${reason}`), [reason]);
    assert.deepEqual(told, [[reason]]);
  }
});

test("\"close\" is told by the engine; who has listeners goes through postMessage as before, and a listener keeps nothing alive", async (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox().on("end", () => {});
  assert.deepEqual(structuredClone(box), { id: box.id });
  const closed = once(engine.on("close", () => {}), "close");
  engine.close();
  assert.deepEqual(await within(closed, "the engine"), []);
  const program = `import { Engine } from "tidings"; new Engine().mailbox().on("end", () => console.log("never")).once("end", () => {});`;
  assert.deepEqual(await runNode(["--input-type=module", "-e", program], { cwd: testing, limit: 20_000 }), { status: 0, signal: null, stdout: "", stderr: "" });
});

// ---------------------------------------------------------------- waits

test("an iteration takes a signal and a bound for each wait; it has lost nothing then", async (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  const texts = [];
  const read = async (options) => {
    for await (const message of box.messages(options)) texts.push(message.text());
  };
  box.send("a");
  box.send("b");
  await assert.rejects(read({ timeout: 5 }), { code: "TD_ETIMEDOUT" });
  assert.deepEqual(texts, ["a", "b"]);
  const giveUp = new AbortController();
  const reading = assert.rejects(read({ signal: giveUp.signal }), why);
  await sleep(2);
  giveUp.abort(why);
  await reading;
  box.send("c");
  assert.throws(() => box.messages({ signal: AbortSignal.abort(why) }), why);

  // Aborted while a batch is in hand: what was not looked at is in its place again.
  for (const text of ["d", "e"]) box.send(text);
  const midway = new AbortController();
  await assert.rejects(async () => {
    for await (const message of box.messages({ signal: midway.signal })) {
      texts.push(message.text());
      midway.abort(why);
    }
  }, why);
  assert.deepEqual([...texts, box.tryRecv().text(), box.tryRecv().text(), box.tryRecv()], ["a", "b", "c", "d", "e", undefined]);
  box.send("f");
  const last = read({ timeout: 20_000 });
  await sleep(2);
  box.close();
  await last;
  assert.deepEqual(texts, ["a", "b", "c", "f"]);
});

test("an iteration on a virtual clock waits for that", async (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const box = engine.mailbox();
  const next = box.messages({ timeout: 60_000 }).next();
  const refused = assert.rejects(next, { code: "TD_ETIMEDOUT" });
  await sleep(2);
  engine.advance(60_000);
  await within(refused, "the time to be up");
});

test("drain, parked and replyEnd can be given up by a signal, at once", async (t) => {
  const engine = engineOf(t, { virtualClock: true });
  for (const wait of [() => engine.parked(99, { signal: AbortSignal.timeout(5), timeout: 60_000 })]) {
    await assert.rejects(wait(), { name: "TimeoutError" });
    await assert.rejects(engine.parked(99, { signal: AbortSignal.abort(why) }), why);
  }

  const real = engineOf(t);
  let ending;
  const giveUp = new AbortController();
  const replier = real.mailbox({
    handler: (request) => {
      for (const part of ["a", "b", "c"]) request.replyPart(part).catch(() => {});
      ending = request.replyEnd({ signal: giveUp.signal });
      ending.catch(() => {});
    },
  });
  const caller = real.mailbox({ maxMessages: 1 });
  caller.request(replier, "x", { timeout: 60_000 });
  real.run();
  giveUp.abort(why);
  await assert.rejects(ending, why);

  const full = real.mailbox();
  full.send("never read");
  await assert.rejects(real.drain({ signal: AbortSignal.timeout(5) }), { name: "TimeoutError" });
  assert.throws(() => real.send(full, "x"), { code: "TD_ECLOSED" }, "it drains on");
  assert.equal((await real.drain({ timeout: 0 })).complete, false);
});

// ---------------------------------------------------------------- bytes

test("copy() is memory of its own; data is a view of the batch", async (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  for (let i = 0; i < 100; i++) box.send(Buffer.from([i, i, i]));
  let count = 0;
  const frames = new Set();
  for await (const message of box) {
    const copy = message.copy();
    assert.deepEqual([...copy], [count, count, count]);
    assert.equal(copy.buffer.byteLength, 3);
    frames.add(message.data.buffer);
    copy.fill(0);
    assert.equal(message.data[0], count);
    if (++count === 100) break;
  }
  assert.ok(frames.size < 20, `${frames.size} frames for 100 messages`);
});
