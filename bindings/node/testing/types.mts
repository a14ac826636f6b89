// Compiled, never run, by types.test.mjs.
import { Address, alloc, Call, defaultEngine, Engine, explain, inspect, library, Mailbox, Message, Monitor, Reason, recorder, ReplyError, Server, Subscription, TidingsError, Timer, version, Watch } from "tidings";
import { once } from "node:events";
import type { Answer, Data, DrainReport, Kind, MailboxStats, Policy, ReasonName, Receipt, Tag, Target } from "tidings";

const engine: Engine = new Engine({ virtualClock: true });
const shared: Engine = defaultEngine();
const same: Engine = Engine.from(engine.id);
const mailbox: Mailbox = engine.mailbox({ name: "a", maxMessages: 10, maxBytes: 1000, policy: "drop_old", blockTimeout: 5 });
engine.mailbox({ handler: (message) => message.reply(message.data) });
engine.mailbox({ handler: async (message: Message) => void message.text() });

const target: Target = mailbox.id;
const data: Data = alloc(10);
const tag: Tag = 12n;
mailbox.send("text", { tag, from: mailbox, timeout: 5 });
engine.send("name", data);
engine.send(target, new ArrayBuffer(3));
const accepted: number = mailbox.sendMany(["a", { data: new Uint8Array(1), tag: 1 }]);
const receipt: Receipt = engine.publish("a.b", Buffer.from("x"), { tag: 1, from: target });
engine.publishMany("a.b", [{ tag: 3 }]);

const maybe: Message | undefined = mailbox.tryRecv({ kind: "down", tag: 1, tagMask: 3n, from: target, ref: 5n, predicate: (m) => m.lost > 0 });
const message: Message = await mailbox.recv({ timeout: 100, signal: AbortSignal.timeout(5) });
for await (const { kind, text, from, topic, reason, deadline, status, ref, lost } of mailbox) {
  const narrowed: Kind = kind;
  const sender: Address | undefined = from;
  const why: ReasonName | undefined = reason;
  void [narrowed, text, sender, topic, why, deadline, status, ref, lost];
}

const monitor: Monitor = mailbox.monitor("name", { died: (reason: ReasonName, down) => void [reason, down.text()], alreadyDown: (down) => void down.topic, tag });
const outcome: "armed" | "flushed" | "delivered" | undefined = monitor.demonitor({ flush: true });
mailbox.demonitor(monitor);
const subscription: Subscription = mailbox.subscribe("a.*", { policy: "drop_new" as Policy, maxMessages: 3 });
subscription.unsubscribe({ flush: true });
const timer: Timer = engine.sendAfter("name", 1.5, "x", { tag: 1 });
const left: number | undefined = timer.cancel() ?? engine.sendEvery(mailbox, 10).read();

try {
  const reply: Message = await engine.call("name", "x", { tag: 1, from: mailbox, timeout: 10, signal: new AbortController().signal });
  await reply.from?.call("x");
} catch (error) {
  if (error instanceof ReplyError) void [error.status.toFixed(), error.data.length];
  else if (error instanceof TidingsError) {
    const code: TidingsError["code"] = error.code;
    if (code === "TD_EFULL") void error.errno.toFixed();
    // @ts-expect-error no such code
    if (code === "TD_EWRONG") void 0;
  }
}
const holder: Address | undefined = engine.registerReplace("name", mailbox) ?? engine.whereis("name");
engine.register("other", mailbox);
engine.unregister("other");
const request: Call = mailbox.request("name", "x", { tag: 1, timeout: Infinity });
const cancelled: boolean = request.cancel();
await mailbox.ended({ timeout: 5, signal: AbortSignal.timeout(5) });
await engine.parked(1, { timeout: 5 });
const failure: TidingsError["code"] | undefined = message.error;
message.drop();
mailbox.link(target);
mailbox.unlink(mailbox);
mailbox.trapExit();
engine.mailbox({ notifiable: true, policy: "conflate" }).notify(3n);
mailbox.join("group");
mailbox.leave("group");
mailbox.enterPresence("group", "key", { grace: 5 });
mailbox.leavePresence("group", "key");
mailbox.setWill("topic", "data", { tag: 1, retain: true });
mailbox.clearWill();
const members: Watch<Address[]> = mailbox.watchGroup("group", { tag: 1 });
const keys: string[] = mailbox.watchPresence("group").snapshot.concat(engine.presenceKeys("group"));
const interested: number = mailbox.watchInterest("a.>").snapshot + engine.members("group").length + members.snapshot.length;
members.unwatch({ flush: true });
engine.publish("a", "x", { retain: true });
mailbox.subscribe("a", { queueGroup: "g", policy: "kill" });
mailbox.monitor(target, { receipt: true });
mailbox.monitorProcess(1, { died: (reason) => void (reason === "os_exit") });
const change: "joined" | "left" | "started" | "stopped" | undefined = message.change;
void [message.retained, message.conflated, message.consumed, message.discarded, message.exitCode, message.signal, message.key, message.members, message.keys, message.subscriptions, message.deadFor, message.deadKind];
await message.replyPart("x", { timeout: 5 });
await message.replyEnd();
message.forward("name", { from: mailbox });
for await (const part of engine.stream("name", "x", { tag: 1, maxMessages: 5, timeout: 5 })) part.text();
for await (const answer of engine.callMany([mailbox, "name", 5n], "x")) {
  const one: Answer = answer;
  if (answer.error === undefined) answer.reply.text();
  else void [answer.error.code, one.mailbox];
}
mailbox.requestMany([mailbox, "name", 5n], "x", { tag: 1, timeout: 5 }).cancel();
const report: DrainReport = await engine.drain({ timeout: 5 });
const seen: unknown = inspect().mailboxes ?? engine.inspect();
const words: string = recorder().text + explain(mailbox).what + explain(5n).lately[0]?.event;
const oldest: string | string[] | undefined = explain(mailbox).details["oldest"];
void oldest;
class Counter extends Server {
  count = 0;
  constructor(readonly step: number, readonly label = "") {
    super();
  }
  override handleCall(request: Message): Data {
    return request.text() + this.count;
  }
  protected override async handleCast(message: Message): Promise<void> {
    this.count += this.step * Number(message.tag);
  }
  override handleDown(down: Message): void {
    void down.reason;
  }
  override async terminate(reason: ReasonName, error?: unknown): Promise<void> {
    void [reason, error];
  }
}
const counter: Counter = Counter.start({ engine, name: "counter", maxMessages: 5 }, 2, "x").ref().unref();
counter.cast("x", { tag: 2, from: mailbox });
const answered: string = (await counter.call("x", { timeout: 5 })).text() + counter.step;
counter.mailbox.monitor(counter);
await counter.stop(Reason.USER, { data: "x", timeout: 5, signal: AbortSignal.timeout(5) });
await counter.ended({ timeout: 5 });
await counter[Symbol.asyncDispose]();
void answered;
class Silent extends Server {
  // @ts-expect-error an object is no answer
  override handleCall(): object {
    return {};
  }
}
// @ts-expect-error the constructor wants a number
Counter.start({ engine }, "2");
// @ts-expect-error a server has no handler
Silent.start({ handler() {} });
for await (const next of mailbox.messages({ timeout: 5, signal: AbortSignal.timeout(5) })) next.copy().fill(0);
await engine.drain({ signal: AbortSignal.timeout(5) });
await engine.parked(1, { signal: AbortSignal.timeout(5) });
await message.replyEnd({ timeout: 5, signal: AbortSignal.timeout(5) });
mailbox.on("end", (reason: ReasonName) => void reason).off("end", () => {});
engine.once("close", () => {});
await once(mailbox, "end");
// @ts-expect-error messages are no events
mailbox.on("message", () => {});
{
  using scoped = engine.mailbox();
  using watching = scoped.monitor(5n);
  using topic = scoped.subscribe("a");
  using news = scoped.watchGroup("g");
  using tick = engine.sendEvery(scoped, 1);
  using asked = scoped.request("name");
  using world = new Engine();
  await using inbox = engine.mailbox();
  await using served = Counter.start({ engine }, 1);
  await using other = new Engine();
  void [watching, topic, news, tick, asked, world, inbox, served, other];
}
new Engine({ maxBytes: 1 << 20 });
mailbox.suspend();
mailbox.resume();
const readable: boolean = mailbox.readable;
const stats: MailboxStats = mailbox.stats();
mailbox.ref().unref().exit(Reason.USER + 1, "words");
mailbox.exit("callback_failed");
engine.advance(5);
const batches: number = engine.run();
const origin: "process" | "TIDINGS_LIBRARY" | "bundled" = library.origin;

// @ts-expect-error an object is not data
mailbox.send({ a: 1 });
// @ts-expect-error no such policy
engine.mailbox({ policy: "drop" });
// @ts-expect-error a tag is a number or a bigint
mailbox.send("x", { tag: "1" });
// @ts-expect-error a call comes from a mailbox of this thread
engine.call("name", "x", { from: holder });
// @ts-expect-error a receipt is about mailboxes
mailbox.monitorProcess(1, { receipt: true });
// @ts-expect-error messages are made by the engine
new Message();
// @ts-expect-error a duration is a number
engine.sendAfter(mailbox, "1s");

void [keys, interested, change, report, seen, words, readable, cancelled, failure, shared, same, accepted, receipt, maybe, message, outcome, left, stats, batches, origin, version];
