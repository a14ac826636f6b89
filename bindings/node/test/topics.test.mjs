// What topics have besides: retained values, wills, queue groups, dead letters, and the policies of subscriptions.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "tidings";
import { engineOf } from "../testing/engine.mjs";

const all = (box) => {
  const messages = [];
  for (let message; (message = box.tryRecv()); ) messages.push(message);
  return messages;
};

test("a retained value comes first to who subscribes later, marked; an empty one clears it", (t) => {
  const engine = engineOf(t);
  const early = engine.mailbox();
  early.subscribe("state.>");
  engine.publish("state.a", "1", { retain: true, tag: 5 });
  engine.publish("state.a", "2", { retain: true, tag: 6 });
  engine.publish("state.b", "not kept");
  const late = engine.mailbox();
  late.subscribe("state.*");
  engine.publish("state.a", "3");
  assert.deepEqual(all(early).map((m) => [m.text(), m.retained]), [["1", false], ["2", false], ["not kept", false], ["3", false]]);
  assert.deepEqual(all(late).map((m) => [m.text(), m.retained, m.tag, m.topic]), [["2", true, 6, "state.a"], ["3", false, 0, "state.a"]]);
  engine.publish("state.a", undefined, { retain: true });
  const last = engine.mailbox();
  last.subscribe("state.*");
  assert.equal(last.tryRecv(), undefined);
});

test("a will is published at the end, before anyone hears of it; it can be taken back, and retained", (t) => {
  const engine = engineOf(t);
  const watcher = engine.mailbox();
  watcher.subscribe("gone.*");
  const [a, b] = [engine.mailbox(), engine.mailbox()];
  a.setWill("gone.a", "first");
  a.setWill("gone.a", "farewell", { tag: 3, retain: true });
  b.setWill("gone.b", "never");
  b.clearWill();
  assert.throws(() => b.clearWill(), { code: "TD_ENOTFOUND" });
  watcher.monitor(a);
  watcher.monitor(b);
  a.kill();
  b.kill();
  assert.deepEqual(all(watcher).map((m) => [m.kind, m.kind === "topic" ? m.text() : m.reason, m.tag]), [["topic", "farewell", 3], ["down", "killed", 0], ["down", "killed", 0]]);
  const late = engine.mailbox();
  late.subscribe("gone.>");
  assert.deepEqual(all(late).map((m) => [m.text(), m.retained]), [["farewell", true]]);
  assert.throws(() => watcher.setWill("gone.*", "x"), { code: "TD_EINVAL" });
  assert.throws(() => watcher.setWill(5), { code: "TD_EINVAL" });
  assert.throws(() => a.setWill("gone.a"), { code: "TD_ENOPROC" });
});

test("a queue group: each message to exactly one member, none starved, others get all", (t) => {
  const engine = engineOf(t);
  const members = Array.from({ length: 3 }, () => engine.mailbox());
  for (const member of members) member.subscribe("job", { queueGroup: "pool" });
  const other = engine.mailbox();
  other.subscribe("job");
  for (let i = 0; i < 30; i++) assert.equal(engine.publish("job", "x", { tag: i }).queued, 2);
  const got = members.map((member) => all(member).map((m) => m.tag));
  assert.deepEqual(got.flat().sort((a, b) => a - b), Array.from({ length: 30 }, (_, i) => i));
  assert.ok(got.every((tags) => tags.length > 0));
  assert.equal(all(other).length, 30);
  assert.throws(() => other.subscribe("job", { queueGroup: 5 }), { code: "TD_EINVAL" });
});

test("dead letters: what was sent to the ended comes by $dead, with whom it was for and why it is dead", (t) => {
  const engine = engineOf(t);
  const coroner = engine.mailbox();
  coroner.subscribe("$dead");
  const [gone, sender] = [engine.mailbox(), engine.mailbox()];
  gone.close();
  assert.throws(() => gone.send("too late", { tag: 8, from: sender }), { code: "TD_ENOPROC" });
  const letter = coroner.tryRecv();
  assert.deepEqual([letter.kind, letter.topic, letter.text(), letter.tag, letter.from.id], ["topic", "$dead", "too late", 8, sender.id]);
  assert.deepEqual([letter.error, letter.deadFor, letter.deadKind], ["TD_ENOPROC", gone.id, "message"]);
  const callee = engine.mailbox();
  const asked = sender.request(callee, "x", { timeout: 5000 });
  const request = callee.tryRecv();
  asked.cancel();
  assert.throws(() => request.reply("nobody waits"), { code: "TD_ESTALE" });
  const late = coroner.tryRecv();
  assert.deepEqual([late.topic, late.text(), late.deadKind, late.deadFor], ["$dead", "nobody waits", "reply", asked.id]);
  sender.send("alive");
  const plain = sender.tryRecv();
  assert.deepEqual([plain.deadFor, plain.deadKind, plain.error], [undefined, undefined, undefined]);
});

test("policies: conflate keeps the last of each tag in its place, kill ends the mailbox; of mailboxes and of subscriptions", (t) => {
  const engine = engineOf(t);
  const latest = engine.mailbox({ policy: "conflate", maxMessages: 2 });
  for (const [tag, text] of [[1, "a"], [2, "b"], [1, "c"], [1, "d"]]) latest.send(text, { tag });
  assert.throws(() => latest.send("x", { tag: 3 }), { code: "TD_EFULL" });
  assert.deepEqual(all(latest).map((m) => [m.tag, m.text(), m.conflated, m.lost]), [[1, "d", 2, 0], [2, "b", 0, 0]]);
  assert.equal(latest.stats().conflated, 2);
  const watcher = engine.mailbox();
  const small = engine.mailbox({ policy: "kill", maxMessages: 1 });
  watcher.monitor(small);
  small.send("x");
  assert.throws(() => small.send("y"), { code: "TD_EFULL" });
  assert.equal(watcher.tryRecv().reason, "overflow");
  const both = engine.mailbox();
  both.subscribe("price.*", { policy: "conflate", maxMessages: 10 });
  for (const tag of [1, 2, 1]) engine.publish("price.x", `${tag}`, { tag });
  assert.deepEqual(all(both).map((m) => [m.tag, m.conflated]), [[1, 1], [2, 0]]);
  const strict = engine.mailbox();
  watcher.monitor(strict);
  strict.subscribe("s", { policy: "kill", maxMessages: 1 });
  engine.publish("s", "1");
  engine.publish("s", "2");
  assert.equal(watcher.tryRecv().reason, "overflow");
  assert.throws(() => both.subscribe("s", { policy: "block" }), { code: "TD_EINVAL" });
});

test("an engine's byte budget is over all its mailboxes", (t) => {
  const engine = engineOf(t, { maxBytes: 100_000 });
  const boxes = Array.from({ length: 4 }, () => engine.mailbox());
  let sent = 0;
  assert.throws(() => {
    for (;; sent++) boxes[sent % 4].send("x".repeat(1000));
  }, { code: "TD_EFULL" });
  assert.ok(sent >= 50 && sent <= 100, `${sent} of them`);
  const { queuedBytes, maxBytes } = engine.stats();
  assert.deepEqual([queuedBytes, maxBytes], [sent * 1000, 100_000]);
  boxes[0].kill();
  boxes[1].send("room again");
  assert.throws(() => new Engine({ maxBytes: -1 }), { code: "TD_EINVAL" });
});
