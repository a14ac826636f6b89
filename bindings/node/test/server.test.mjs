// Servers: what a gen_server's user expects of one. Rules 9, 10, 11 and 22.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Engine, Reason, ReplyError, Server } from "tidings";
import { engineOf } from "../testing/engine.mjs";
import { checkoutRoot, runNode, testing, within } from "../testing/support.mjs";

const entry = new URL("../index.mjs", import.meta.url).href;

/** The texts of the TidingsWarnings that come until the test is over. */
function warnings(t) {
  const seen = [];
  const see = (warning) => warning.name === "TidingsWarning" && seen.push(warning.message);
  process.on("warning", see);
  t.after(async () => {
    await new Promise(setImmediate); // they come in a later turn
    process.off("warning", see);
  });
  return seen;
}

/** Writes down what happens to it. */
class Diary extends Server {
  seen = [];
  constructor(...first) {
    super();
    this.seen.push(...first);
  }
  handleCall(request) {
    this.seen.push(`call ${request.text()}`);
    return this.seen.join(", ");
  }
  handleCast(message) {
    if (message.text() === "fail") throw new Error("as told");
    this.seen.push(`cast ${message.text()}`);
  }
  handleInfo(message) {
    this.seen.push(`${message.kind} ${message.text()}`);
  }
  handleDown(down) {
    this.seen.push(`down ${down.reason}`);
  }
  terminate(reason, error) {
    this.seen.push(`terminate ${reason}${error === undefined ? "" : `: ${error.message}`}`);
  }
}

const downOf = (watcher) => watcher.recv({ kind: "down", timeout: 20_000 });

test("calls, casts, news and ends go each to its method, in their order, from outside and by name", async (t) => {
  const engine = engineOf(t);
  const other = engine.mailbox();
  const diary = Diary.start({ engine, name: "diary" }, "began");
  assert.ok(diary instanceof Diary && diary.engine === engine && diary.id === engine.whereis("diary").id);
  diary.mailbox.monitor(other);
  diary.mailbox.subscribe("news");
  diary.cast("one", { tag: 3, from: other });
  engine.send("diary", "two");
  engine.publish("news", "three");
  other.close();
  assert.equal((await engine.call("diary", "four")).text(), "began, cast one, cast two, topic three, down normal, call four");
  assert.match((await diary.call("five", { timeout: 20_000 })).text(), /call five$/);
  await diary.stop();
  assert.equal(diary.seen.at(-1), "terminate normal");
  assert.equal(engine.whereis("diary"), undefined);
  await assert.rejects(diary.call("late"), { code: "TD_ENOPROC" });
  assert.throws(() => diary.cast("late"), { code: "TD_ENOPROC" });
});

test("methods that wait do not overlap; calls wait their turn", async (t) => {
  const engine = engineOf(t);
  let inside = 0;
  class Slow extends Server {
    count = 0;
    async handleCall() {
      assert.equal(++inside, 1);
      const { count } = this;
      await sleep(2);
      this.count = count + 1;
      inside--;
      return String(this.count);
    }
    handleCast = this.handleCall;
  }
  const slow = Slow.start({ engine });
  slow.cast();
  const answers = await Promise.all(Array.from({ length: 10 }, () => slow.call()));
  assert.deepEqual(answers.map((answer) => answer.text()), ["2", "3", "4", "5", "6", "7", "8", "9", "10", "11"]);
});

test("a call can be answered later, in parts, by an error, or by another server; a caller that has given up harms nobody", async (t) => {
  const engine = engineOf(t);
  const kept = [];
  class Desk extends Server {
    async handleCall(request) {
      switch (request.text()) {
        case "later":
          return void kept.push(request);
        case "no":
          return request.replyError(7, "closed on Sundays");
        case "parts":
          for (const part of ["a", "b"]) await request.replyPart(part);
          return request.replyEnd();
        case "elsewhere":
          return request.forward("diary");
        case "slow":
          await sleep(30);
          return "too late";
        default:
          return null;
      }
    }
    handleCast() {
      kept.shift().reply("at last");
    }
  }
  const desk = Desk.start({ engine });
  Diary.start({ engine, name: "diary" });
  const later = desk.call("later");
  await assert.rejects(desk.call("no"), (error) => error instanceof ReplyError && error.status === 7 && /closed on Sundays/.test(error.message));
  const parts = [];
  for await (const part of engine.stream(desk, "parts")) parts.push(part.text());
  assert.deepEqual(parts, ["a", "b"]);
  assert.equal((await desk.call("elsewhere")).text(), "call elsewhere");
  await assert.rejects(desk.call("slow", { timeout: 1 }), { code: "TD_ETIMEDOUT" });
  assert.equal((await desk.call("nothing")).text(), "");
  desk.cast();
  assert.equal((await later).text(), "at last");
});

test("an error in a method ends the server: terminate, then the caller, monitors and links are told why; the rest goes on", async (t) => {
  const engine = engineOf(t);
  const warned = warnings(t);
  class Fragile extends Diary {
    async handleCall() {
      await null;
      throw new Error("call");
    }
    handleInfo(message) {
      throw new Error(message.kind);
    }
    handleDown() {
      return Promise.reject(new Error("down"));
    }
    async terminate(...args) {
      await sleep(5);
      this.named = engine.whereis("fragile")?.id;
      super.terminate(...args);
    }
  }
  const bystander = Diary.start({ engine });
  const ways = {
    call: () => {},
    cast: (server) => server.cast("fail"),
    topic: (server) => (server.mailbox.subscribe("t"), engine.publish("t")),
    down: (server) => server.mailbox.monitor("nobody"),
  };
  for (const [way, go] of Object.entries(ways)) {
    const server = Fragile.start({ engine, name: "fragile" });
    const watcher = engine.mailbox();
    watcher.monitor(server);
    watcher.monitor("fragile");
    go(server);
    const words = way === "cast" ? "as told" : way;
    await assert.rejects(server.call(), (error) => {
      assert.deepEqual([error.code, error.reason], ["TD_EDOWN", "callback_failed"], way);
      return error.message.includes(`Error: ${words}`);
    });
    const down = await downOf(watcher);
    assert.deepEqual([down.reason, down.text()], ["callback_failed", `Error: ${words}`]);
    assert.deepEqual(server.seen, [`terminate callback_failed: ${words}`], "called once, before the end is told");
    assert.equal(server.named, server.id, "its name is free only afterwards");
    await server.ended({ timeout: 20_000 });
    await new Promise(setImmediate);
    assert.match(warned.pop(), new RegExp(`'fragile' ended: its callback failed with Error: ${words}`));
  }
  assert.equal((await bystander.call("x")).text(), "call x");
  assert.deepEqual(warned, []);
});

test("without handleCall or handleCast such a message ends the server; all others are a warning", async (t) => {
  const engine = engineOf(t);
  const warned = warnings(t);
  class Plain extends Server {}
  const idle = Plain.start({ engine });
  idle.mailbox.monitor("nobody");
  engine.sendAfter(idle, 0, "x");
  await assert.rejects(idle.call(), (error) => error.reason === "callback_failed" && /Plain has no handleCall/.test(error.message));
  await new Promise(setImmediate);
  assert.match(warned[0], /^<Plain of Mailbox 0x\w+> has no handleInfo for Message down/);
  const other = Plain.start({ engine });
  const watcher = engine.mailbox();
  watcher.monitor(other);
  other.cast("x");
  assert.match((await downOf(watcher)).text(), /Plain has no handleCast/);
});

test("stop: what was sent before is handled, what comes behind is not; the reason and its bytes are told; a full mailbox is stopped, too", async (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const diary = Diary.start({ engine, maxMessages: 3 });
  watcher.monitor(diary);
  for (const text of ["a", "b", "c"]) diary.cast(text);
  assert.throws(() => diary.cast("d"), { code: "TD_EFULL" });
  const stopped = diary.stop(Reason.USER + 1, { data: "enough" });
  const again = diary.stop("normal");
  await Promise.all([stopped, again]);
  await diary.stop();
  assert.deepEqual(diary.seen, ["cast a", "cast b", "cast c", "terminate user_1025"]);
  const down = await downOf(watcher);
  assert.deepEqual([down.reason, down.text()], ["user_1025", "enough"]);

  class Leaver extends Diary {
    handleCall() {
      this.stop();
      return "bye";
    }
    async terminate(reason) {
      super.terminate(reason);
      this.behind = this.call("x").catch((error) => error.code + error.reason);
    }
  }
  const leaver = Leaver.start({ engine });
  assert.equal((await leaver.call()).text(), "bye");
  await leaver.ended({ timeout: 20_000 });
  assert.deepEqual([leaver.seen, await leaver.behind], [["terminate normal"], "TD_EDOWNnormal"]);
});

test("stop takes no reason that only the engine gives: the server ends with callback_failed", async (t) => {
  const engine = engineOf(t);
  warnings(t);
  const watcher = engine.mailbox();
  const diary = Diary.start({ engine });
  watcher.monitor(diary);
  await assert.rejects(diary.stop("no such reason"), { code: "TD_EINVAL" });
  await diary.stop(Reason.KILLED);
  assert.equal((await downOf(watcher)).reason, "callback_failed");
});

test("terminate is called once whoever ends the server, with the reason", async (t) => {
  const engine = engineOf(t);
  const peer = engine.mailbox();
  const ways = {
    normal: (server) => server.mailbox.close(),
    killed: (server) => engine.address(server.id).kill(),
    user_2000: (server) => (peer.link(server), peer.exit(2000)),
  };
  for (const [reason, end] of Object.entries(ways)) {
    const server = Diary.start({ engine });
    server.cast("discarded");
    end(server);
    await server.ended({ timeout: 20_000 });
    assert.deepEqual(server.seen, [`terminate ${reason}`]);
    await server.stop();
    assert.equal(server.seen.length, 1);
  }
  const own = new Engine();
  const server = Diary.start({ engine: own });
  own.close();
  await within(server.ended(), "the end of the engine");
  assert.deepEqual(server.seen, ["terminate engine_closed"]);
});

test("a terminate that fails is told, also when the server was over before", async (t) => {
  const engine = engineOf(t);
  const warned = warnings(t);
  class Sore extends Server {
    async terminate() {
      throw new Error("no end");
    }
  }
  const watcher = engine.mailbox();
  const stopped = Sore.start({ engine });
  watcher.monitor(stopped);
  await stopped.stop();
  assert.deepEqual([(await downOf(watcher)).reason], ["callback_failed"]);
  const killed = Sore.start({ engine });
  killed.mailbox.kill();
  await killed.ended({ timeout: 20_000 });
  await new Promise(setImmediate);
  assert.deepEqual(warned.map((text) => /failed with (.*)/.exec(text)[1]), ["Error: no end", "Error: no end"]);
});

test("init comes first; where it fails, or the name is taken, start says so and nothing is left", async (t) => {
  const engine = engineOf(t);
  warnings(t);
  class Ready extends Diary {
    async init() {
      await sleep(5);
      this.seen.push(`init of ${this.mailbox.name}`);
      engine.send(this, "self");
    }
  }
  const ready = Ready.start({ engine, name: "ready" });
  assert.equal((await ready.call("x")).text(), "init of ready, call x");
  assert.throws(() => Ready.start({ engine, name: "ready" }), { code: "TD_EEXIST" });
  assert.throws(() => Ready.start({ engine, handler() {} }), { code: "TD_EINVAL" });

  class Failing extends Diary {
    init() {
      throw new Error("not today");
    }
  }
  const { mailboxes } = engine.stats();
  assert.throws(() => Failing.start({ engine, name: "failing" }), /not today/);
  assert.deepEqual([engine.whereis("failing"), engine.stats().mailboxes], [undefined, mailboxes]);

  class FailingLater extends Diary {
    async init() {
      throw new Error("later");
    }
  }
  const later = FailingLater.start({ engine });
  await assert.rejects(later.call(), { code: "TD_EDOWN", reason: "callback_failed" });
  assert.deepEqual(later.seen, ["terminate callback_failed: later"]);
});

test("one that was not started says so", () => {
  const unborn = new Diary();
  assert.throws(() => unborn.cast("x"), /not started: use the start\(\) of its class/);
  assert.throws(() => unborn.id, { code: "TD_EINVAL" });
});

test("waiting for the end takes a timeout and a signal, which take nothing back; await using ends it", async (t) => {
  const engine = engineOf(t);
  let leave;
  class Busy extends Diary {
    handleCast() {
      return new Promise((resolve) => (leave = resolve));
    }
  }
  const busy = Busy.start({ engine });
  busy.cast("x");
  await sleep(5);
  const why = new Error("tired of it");
  await assert.rejects(busy.ended({ timeout: 1 }), { code: "TD_ETIMEDOUT" });
  await assert.rejects(busy.ended({ signal: AbortSignal.abort(why) }), why);
  const giveUp = new AbortController();
  const stopping = assert.rejects(busy.stop("normal", { signal: giveUp.signal }), why);
  giveUp.abort(why);
  await stopping;
  await assert.rejects(busy.stop("normal", { timeout: 1 }), { code: "TD_ETIMEDOUT" });
  leave();
  await busy.ended({ timeout: 20_000 });
  const used = Diary.start({ engine });
  await used[Symbol.asyncDispose]();
  assert.deepEqual(used.seen, ["terminate normal"]);
});

test("on a virtual clock a server answers and stops while time stands still", async (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const diary = Diary.start({ engine });
  assert.equal((await diary.call("x")).text(), "call x");
  engine.sendAfter(diary, 60_000, "tick");
  engine.advance(60_000);
  await within(diary.stop(), "the end");
  assert.deepEqual(diary.seen, ["call x", "timer tick", "terminate normal"]);
});

test("a server in a worker is called by its name, and its end is seen from outside", async (t) => {
  const engine = engineOf(t);
  const run = async ({ Engine, Server }, id, port) => {
    class Adder extends Server {
      sum = 0;
      handleCall() {
        return String(this.sum);
      }
      handleCast(message) {
        this.sum += message.tag;
      }
    }
    Adder.start({ engine: Engine.from(id), name: "adder" }).ref();
    port.postMessage("open");
  };
  const worker = new Worker(`const w = require("node:worker_threads"); import(${JSON.stringify(entry)}).then((tidings) => (${run})(tidings, w.workerData, w.parentPort))`, { eval: true, workerData: engine.id });
  t.after(() => worker.terminate());
  await within(new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)), "the worker");
  const watcher = engine.mailbox();
  watcher.monitor("adder");
  for (let i = 1; i <= 100; i++) engine.send("adder", undefined, { tag: i });
  assert.equal((await engine.call("adder")).text(), "5050");
  await worker.terminate();
  assert.equal((await downOf(watcher)).reason, "runtime_exit");
});

test("a server does not keep the process alive unless ref() says so; a stop is waited for", async () => {
  const program = (more) => `import { Server } from "tidings";
    class Quiet extends Server { terminate(reason) { console.log("over", reason); } }
    const quiet = Quiet.start(); ${more}`;
  const run = (more) => runNode(["--input-type=module", "-e", program(more)], { cwd: testing, limit: 20_000 });
  assert.deepEqual(await run(""), { status: 0, signal: null, stdout: "", stderr: "" });
  assert.deepEqual(await run("await quiet.stop();"), { status: 0, signal: null, stdout: "over normal\n", stderr: "" });
  assert.deepEqual(await run("quiet.ref(); setTimeout(() => quiet.stop(), 5).unref();"), { status: 0, signal: null, stdout: "over normal\n", stderr: "" });
});

test("Python's servers have the same methods, in its own spelling", () => {
  const python = readFileSync(path.join(checkoutRoot, "bindings", "python", "src", "tidings", "server.py"), "utf8");
  for (const name of ["start", "init", "handleCall", "handleCast", "handleInfo", "handleDown", "terminate", "call", "cast", "stop"]) {
    assert.equal(typeof (Server.prototype[name] ?? Server[name]), "function", name);
    assert.match(python, new RegExp(`^    def ${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}\\(`, "m"), name);
  }
});
