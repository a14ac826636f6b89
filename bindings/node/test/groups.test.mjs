// Groups, presence and interest: a snapshot, then each change.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Watch } from "tidings";
import { engineOf } from "../testing/engine.mjs";

const ids = (boxes) => boxes.map((box) => box.id);
const all = (box) => {
  const messages = [];
  for (let message; (message = box.tryRecv()); ) messages.push(message);
  return messages;
};

test("groups: joining twice counts two, the end leaves all, a watcher hears of each", (t) => {
  const engine = engineOf(t);
  const [a, b, watcher] = Array.from({ length: 3 }, () => engine.mailbox());
  assert.deepEqual(engine.members("workers"), []);
  a.join("workers");
  const watch = watcher.watchGroup("workers", { tag: 9 });
  assert.ok(watch instanceof Watch);
  assert.deepEqual(ids(watch.snapshot), [a.id]);
  b.join("workers");
  engine.address(b.id).join("workers");
  assert.deepEqual(ids(engine.members("workers")), [a.id, b.id, b.id]);
  a.leave("workers");
  assert.throws(() => a.leave("workers"), { code: "TD_ENOTFOUND" });
  b.kill();
  assert.deepEqual(engine.members("workers"), []);
  const news = all(watcher);
  assert.deepEqual(news.map((m) => [m.kind, m.change, m.from.id, m.topic, m.tag, m.ref === watch.id]), [
    ["member", "joined", b.id, "workers", 9, true],
    ["member", "joined", b.id, "workers", 9, true],
    ["member", "left", a.id, "workers", 9, true],
    ["member", "left", b.id, "workers", 9, true],
    ["member", "left", b.id, "workers", 9, true],
  ]);
  a.join("workers");
  assert.equal(watch.unwatch({ flush: true }), true);
  assert.equal(watch.unwatch(), false);
  a.leave("workers");
  assert.equal(watcher.tryRecv(), undefined);
  assert.throws(() => a.join(5), { code: "TD_EINVAL" });
  assert.throws(() => a.join(""), { code: "TD_EINVAL" });
  assert.throws(() => b.join("workers"), { code: "TD_ENOPROC" });
  assert.throws(() => watcher.watchGroup(undefined), { code: "TD_EINVAL" });
});

test("news that found no room become one resync with the state as it is, for groups, presence and interest", (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox({ maxMessages: 1 });
  const [a, b] = [engine.mailbox(), engine.mailbox()];
  const group = watcher.watchGroup("g");
  a.join("g");
  b.join("g");
  b.join("g");
  a.leave("g");
  const [edge, resync] = all(watcher);
  assert.deepEqual([edge.change, edge.from.id, edge.members], ["joined", a.id, undefined]);
  assert.deepEqual([resync.kind, resync.ref === group.id, ids(resync.members), resync.keys, resync.subscriptions, resync.change], ["resync", true, [b.id, b.id], undefined, undefined, undefined]);
  group.unwatch();

  watcher.watchPresence("room");
  a.enterPresence("room", "ann");
  b.enterPresence("room", "böb");
  a.leavePresence("room", "ann");
  const [first, keys] = all(watcher);
  assert.deepEqual([first.key, keys.kind, keys.keys, keys.members], ["ann", "resync", ["böb"], undefined]);

  watcher.watchInterest("t.*");
  a.subscribe("t.x");
  const subscription = b.subscribe("t.>");
  a.close();
  subscription.unsubscribe();
  b.subscribe("t.y");
  const [started, count] = all(watcher);
  assert.deepEqual([started.change, count.kind, count.subscriptions], ["started", "resync", 1]);
});

test("presence: a key that comes back within its grace was never away", (t) => {
  const engine = engineOf(t, { virtualClock: true });
  const watcher = engine.mailbox();
  const [first, second] = [engine.mailbox(), engine.mailbox()];
  first.enterPresence("lobby", "ann", { grace: 100 });
  const watch = watcher.watchPresence("lobby", { tag: 4 });
  assert.deepEqual(watch.snapshot, ["ann"]);
  first.kill();
  engine.advance(99);
  second.enterPresence("lobby", "ann", { grace: 100 });
  engine.advance(1000);
  assert.equal(watcher.tryRecv(), undefined);
  assert.deepEqual(engine.presenceKeys("lobby"), ["ann"]);
  second.kill();
  engine.advance(99);
  assert.equal(watcher.tryRecv(), undefined);
  engine.advance(1);
  const left = watcher.tryRecv();
  assert.deepEqual([left.kind, left.change, left.key, left.topic, left.tag, left.ref], ["presence", "left", "ann", "lobby", 4, watch.id]);
  const third = engine.mailbox();
  third.enterPresence("lobby", "bob");
  third.leavePresence("lobby", "bob");
  assert.deepEqual(all(watcher).map((m) => [m.change, m.key, m.from?.id]), [["joined", "bob", third.id], ["left", "bob", third.id]]);
  assert.throws(() => third.leavePresence("lobby", "bob"), { code: "TD_ENOTFOUND" });
  assert.throws(() => third.enterPresence("lobby", "x", { grace: -1 }), { code: "TD_EINVAL" });
  assert.throws(() => third.enterPresence("lobby", 7), { code: "TD_EINVAL" });
});

test("interest: the first subscription starts it, the last one stops it, also by dying", (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  const [a, b] = [engine.mailbox(), engine.mailbox()];
  a.subscribe("news.today");
  const watch = watcher.watchInterest("news.*");
  assert.equal(watch.snapshot, 1);
  b.subscribe("news.>");
  a.kill();
  assert.equal(watcher.tryRecv(), undefined);
  b.kill();
  engine.mailbox().subscribe("*.today");
  assert.deepEqual(all(watcher).map((m) => [m.kind, m.change, m.topic, m.ref === watch.id]), [["interest", "stopped", "news.*", true], ["interest", "started", "news.*", true]]);
  assert.equal(watcher.watchInterest("nobody.else.>").snapshot, 0);
  assert.throws(() => watcher.watchInterest("a..b"), { code: "TD_EINVAL" });
});

test("a watch's news reach a handler, and can be asked for by its ref", async (t) => {
  const engine = engineOf(t);
  const seen = [];
  const handler = engine.mailbox({ handler: (m) => seen.push([m.change, m.from.id]) });
  handler.watchGroup("g");
  const reader = engine.mailbox();
  const watch = reader.watchGroup("g");
  reader.send("before");
  const member = engine.mailbox();
  member.join("g");
  assert.equal((await reader.recv({ ref: watch, timeout: 20_000 })).change, "joined");
  engine.run();
  assert.deepEqual(seen, [["joined", member.id]]);
});
