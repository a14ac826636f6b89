// Messages, read lazily from packets (src/frame.c describes their layout).
// Guarantees: making a message costs one small object; each field is decoded when it is asked for. `data` is a view of the packet, so it
// stays valid as long as anything holds it, and it keeps the packet's memory.
"use strict";
const os = require("node:os");
const { inspect } = require("node:util");
const { Address, idOrNobody } = require("./address.js");
const { native } = require("./native.js");
const { KIND, KIND_NAMES, Reason, errorName, isSignal, reasonName } = require("./names.js");
const { TidingsError, invalid, optionsOf } = require("./errors.js");
const { room } = require("./room.js");
const { settled } = require("./settled.js");

const BY_REF = 1;
const TRAILER = 2;
const HEADER = 32;
const RETAINED = 1; // statuses, and words of info; see tidings.h
const CHANGES = [undefined, "joined", "left", "started", "stopped"];
const EXITED = 1;
const SIGNALLED = 2;
const SIGNALS = [];
for (const [name, number] of Object.entries(os.constants.signals)) SIGNALS[number] ??= name;
const FOREVER = 0x7fffffffffffffffn;
const FIRST_OFFSET = 4; // in 32-bit words: count, zero, lost

const ignore = () => {};
const pad8 = (n) => (n + 7) & ~7;

/** Snapshots: ids one after another, and keys with a NUL behind each. */
function idsIn(data) {
  return new BigUint64Array(data.slice().buffer, 0, data.length >>> 3);
}
const membersOf = (data, engine) => Array.from(idsIn(data), (id) => new Address(engine, id));
const keysOf = (data) => Buffer.from(data.buffer, data.byteOffset, data.length).toString().split("\0").slice(0, -1);

class Packet {
  constructor(buffer) {
    this.buffer = buffer;
    this.words = new Uint32Array(buffer, 0, buffer.byteLength >>> 2);
    this.longs = undefined; // made when an id or a large tag is asked for
    this.count = this.words[0];
  }
  /** Whether a user has transferred the buffer of a message, which is that of all of them, to another thread. */
  get isGone() {
    return this.words.length === 0;
  }
  kind(index) {
    return this.words[(this.words[FIRST_OFFSET + index] >>> 2) + 1] & 0xff;
  }
  long(word) {
    this.longs ??= new BigUint64Array(this.buffer, 0, this.buffer.byteLength >>> 3);
    return this.longs[word >>> 1];
  }
  // A number where it is exact, else a bigint.
  integer(word) {
    const high = this.words[word + 1];
    return high < 0x200000 ? high * 0x100000000 + this.words[word] : this.long(word);
  }
  /** Dropped before the first message of a single-message packet. */
  get lost() {
    return this.integer(2);
  }
  message(index, lost, engine) {
    return new Message(this, this.words[FIRST_OFFSET + index] >>> 2, lost, engine);
  }
  /** What a GAP entry stands for. */
  gap(index) {
    return Number(this.integer((this.words[FIRST_OFFSET + index] >>> 2) + 4));
  }
}

// Tickets of requests that were collected unanswered: their callers are told now, not at their deadline.
const unanswered = new FinalizationRegistry((ticket) => {
  try {
    native.ticketDrop(ticket);
  } catch {
    // answered by its id, or its engine is closed
  }
});

class Message {
  #packet;
  #word; // where its header begins, in 32-bit words
  #engine;
  #data = undefined;
  #request = undefined; // its ticket, which outlives the packet
  #parts = undefined; // of a streamed reply: settles when no part waits any more
  constructor(packet, word, lost, engine) {
    this.#packet = packet;
    this.#word = word;
    this.#engine = engine;
    this.lost = lost;
    if ((packet.words[word + 1] & 0xff) === KIND.request) unanswered.register(this, (this.#request = this.ref), this);
  }

  get kind() {
    return KIND_NAMES[this.#packet.words[this.#word + 1] & 0xff];
  }
  get tag() {
    return this.#packet.integer(this.#word + 4);
  }
  get ref() {
    return this.#packet.long(this.#word + 6);
  }
  get from() {
    const words = this.#packet.words;
    if (words[this.#word + 2] === 0 && words[this.#word + 3] === 0) return undefined;
    return new Address(this.#engine, this.#packet.long(this.#word + 2));
  }
  get data() {
    if (this.#data !== undefined) return this.#data;
    const { words, buffer } = this.#packet;
    const word = this.#word;
    this.#data =
      ((words[word + 1] >>> 8) & BY_REF) === 0
        ? new Uint8Array(buffer, word * 4 + HEADER, words[word])
        : new Uint8Array(buffer, this.#packet.integer(word + 8), this.#packet.integer(word + 10));
    return this.#data;
  }
  /** The payload as text (UTF-8). */
  text() {
    const data = this.data;
    return Buffer.from(data.buffer, data.byteOffset, data.length).utf8Slice();
  }
  copy() {
    return Uint8Array.from(this.data);
  }
  get topic() {
    const size = this.#packet.words[this.#word + 1] >>> 16;
    return size === 0 ? undefined : Buffer.from(this.#packet.buffer, this.#word * 4 + HEADER + pad8(this.#packet.words[this.#word]), size).utf8Slice();
  }
  get status() {
    const trailer = this.#trailer();
    return trailer === 0 ? 0 : this.#packet.words[trailer + 2] | 0;
  }
  get reason() {
    const kind = this.#packet.words[this.#word + 1] & 0xff;
    if (kind === KIND.down || kind === KIND.end || kind === KIND.exit) return reasonName(this.status);
    return kind === KIND.reply && this.error === "TD_EDOWN" ? reasonName(Number(this.info[0])) : undefined;
  }
  get error() {
    return errorName(this.status);
  }

  // ---------------------------------------------------------------- what the engine says besides, by kind

  #kind() {
    return this.#packet.words[this.#word + 1] & 0xff;
  }
  #number(at) {
    const trailer = this.#trailer();
    return trailer === 0 ? 0 : Number(this.#packet.integer(trailer + 4 + 2 * at));
  }
  get retained() {
    return this.#kind() === KIND.topic && this.status === RETAINED;
  }
  get conflated() {
    const kind = this.#kind();
    return (kind === KIND.message || kind === KIND.topic) && this.status === 0 ? this.#number(0) : 0;
  }
  get consumed() {
    return this.#kind() === KIND.down && this.status !== Reason.OS_EXIT ? this.#number(0) : 0;
  }
  get discarded() {
    return this.#kind() === KIND.down && this.status !== Reason.OS_EXIT ? this.#number(1) : 0;
  }
  get exitCode() {
    return this.#processEnded(EXITED) ? this.#number(1) : undefined;
  }
  get signal() {
    return this.#processEnded(SIGNALLED) ? (SIGNALS[this.#number(1)] ?? `signal ${this.#number(1)}`) : undefined;
  }
  #processEnded(way) {
    return this.#kind() === KIND.down && this.status === Reason.OS_EXIT && this.#number(0) === way;
  }
  get change() {
    const kind = this.#kind();
    return kind === KIND.member || kind === KIND.interest || kind === KIND.presence ? CHANGES[this.status] : undefined;
  }
  get key() {
    return this.#kind() === KIND.presence ? this.text() : undefined;
  }
  #resyncOf(kind) {
    return this.#kind() === KIND.resync && this.#number(0) === kind;
  }
  get members() {
    return this.#resyncOf(KIND.member) ? membersOf(this.data, this.#engine) : undefined;
  }
  get keys() {
    return this.#resyncOf(KIND.presence) ? keysOf(this.data) : undefined;
  }
  get subscriptions() {
    return this.#resyncOf(KIND.interest) ? Number(idsIn(this.data)[0] ?? 0n) : undefined;
  }
  #dead() {
    return this.#kind() === KIND.topic && this.topic === "$dead";
  }
  get deadFor() {
    const id = this.#dead() ? this.info[0] : 0n;
    return id === 0n ? undefined : id;
  }
  get deadKind() {
    return this.#dead() ? KIND_NAMES[this.#number(1)] : undefined;
  }

  /** What else the engine says, by kind: two numbers. */
  get info() {
    const trailer = this.#trailer();
    return trailer === 0 ? [0n, 0n] : [this.#packet.long(trailer + 4), this.#packet.long(trailer + 6)];
  }
  get deadline() {
    const trailer = this.#trailer();
    if (trailer === 0) return undefined;
    const ns = this.#packet.long(trailer);
    return ns === FOREVER ? undefined : Number(ns) / 1e6;
  }
  #trailer() {
    const { words } = this.#packet;
    const second = words[this.#word + 1];
    return ((second >>> 8) & TRAILER) === 0 ? 0 : this.#word + (HEADER + pad8(words[this.#word]) + pad8(second >>> 16)) / 4;
  }

  reply(data) {
    native.reply(this.#ticket(), data);
    unanswered.unregister(this);
    this.#engine._sent();
  }
  replyError(status, data) {
    native.replyError(this.#ticket(), status, data);
    unanswered.unregister(this);
    this.#engine._sent();
  }
  /** Parts go in the order of these calls; one that has to wait for room holds up those behind it. */
  async replyPart(data, options) {
    const { timeout = Infinity, signal } = optionsOf(options);
    const ticket = this.#ticket();
    signal?.throwIfAborted();
    const attempt = () => native.replyPart(ticket, data);
    if (this.#parts === undefined && attempt()) return this.#engine._sent();
    if (timeout === 0) throw new TidingsError("TD_EFULL", "replyPart: the caller's mailbox is full", -11);
    await this.#inLine(() => room(attempt, { deadline: this.#engine._deadline(timeout), signal }));
    this.#engine._sent();
  }
  async replyEnd(options) {
    const { timeout = Infinity, signal } = optionsOf(options);
    const ticket = this.#ticket();
    signal?.throwIfAborted();
    if (this.#parts !== undefined) await settled(this.#parts, { deadline: this.#engine._deadline(timeout), signal, what: "room for the parts before the end" });
    native.replyEnd(ticket);
    unanswered.unregister(this);
    this.#engine._sent();
  }
  #inLine(wait) {
    const mine = this.#parts === undefined ? wait() : this.#parts.then(wait);
    const line = mine.then(ignore, ignore).then(() => {
      if (this.#parts === line) this.#parts = undefined;
    });
    this.#parts = line;
    return mine;
  }
  forward(target, options) {
    const { from = this.from } = optionsOf(options);
    const to = this.#engine._called(target);
    native.forward(to, idOrNobody(from), this.#packet.buffer, this.#word * 4);
    unanswered.unregister(this);
    this.#engine._sent();
  }
  drop() {
    native.ticketDrop(this.#ticket());
    unanswered.unregister(this);
    this.#engine._sent();
  }
  #ticket() {
    if (this.#request === undefined) throw invalid(`only a request can be answered, not a message of kind ${this.kind}`);
    return this.#request;
  }

  [inspect.custom](depth, options) {
    const shown = {};
    const { kind, tag, topic, from, lost, reason } = this;
    if (tag !== 0) shown.tag = tag;
    if (topic !== undefined) shown.topic = topic;
    if (from !== undefined) shown.from = from;
    if (isSignal(KIND[kind]) || kind === "request") shown.ref = this.ref;
    if (reason !== undefined) shown.reason = reason;
    else if (this.status !== 0) shown.status = this.status;
    if (lost !== 0) shown.lost = lost;
    if (this.data.length !== 0) shown.data = Buffer.from(this.data.buffer, this.data.byteOffset, this.data.length);
    return `Message ${kind} ${inspect(shown, options)}`;
  }
}

module.exports = { Message, Packet, keysOf, membersOf };
