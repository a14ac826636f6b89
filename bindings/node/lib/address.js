// Ids as objects: an Address of any mailbox, and what monitor, subscribe and the timers give back.
// Guarantees: an id is a 64-bit value and nothing else; holding one keeps nothing alive, and one that has gone stale gives an error.
"use strict";
const { inspect } = require("node:util");
const { native } = require("./native.js");
const { OUTCOME, reasonNumber } = require("./names.js");
const { dispose } = require("./dispose.js");
const { TidingsError, invalid, optionsOf } = require("./errors.js");
const { withdrawals } = require("./turns.js");

const hex = (id) => `0x${id.toString(16).padStart(16, "0")}`;

/** The id in whatever stands for a mailbox: an Address, a Mailbox, what is left of one after postMessage, or a bigint. */
function idOf(target, what) {
  if (typeof target === "bigint") return target;
  const id = target?.id;
  if (typeof id === "bigint") return id;
  throw invalid(`${what} must be a Mailbox, an Address or a bigint id, not ${inspect(target)}`);
}
const idOrNobody = (from) => (from === undefined || from === null ? 0n : idOf(from, "from"));

function text(value, what) {
  if (typeof value !== "string") throw invalid(`${what} must be a string, not ${inspect(value)}`);
  return value;
}

/** Items as sendMany and publishMany take them: data, or { data, tag }. */
function itemsOf(items) {
  const datas = [];
  const tags = [];
  for (const item of items) {
    const labelled = typeof item === "object" && item !== null && ("data" in item || "tag" in item);
    datas.push(labelled ? item.data : item);
    tags.push((labelled ? item.tag : undefined) ?? 0);
  }
  return { datas, tags };
}

class Id {
  constructor(engine, id) {
    this.id = id;
    Object.defineProperty(this, "engine", { value: engine, enumerable: false });
  }
  toString() {
    return `${this.constructor.name} ${hex(this.id)}`;
  }
  [inspect.custom]() {
    return `<${this}>`;
  }
}

class Address extends Id {
  send(data, options) {
    const { tag = 0, from, timeout } = optionsOf(options);
    native.send(this.id, idOrNobody(from), tag, data, timeout);
    this.engine._sent();
  }
  sendMany(items, options) {
    const { from } = optionsOf(options);
    const { datas, tags } = itemsOf(items);
    const accepted = native.sendMany(this.id, idOrNobody(from), datas, tags);
    this.engine._sent();
    return accepted;
  }
  call(data, options) {
    return this.engine.call(this, data, options);
  }
  close() {
    try {
      this.exit();
    } catch (error) {
      if (error.code !== "TD_ENOPROC") throw error; // it is over
    }
  }
  exit(reason, data) {
    withdrawals.raise();
    native.exit(this.id, reasonNumber(reason), data);
    this.engine._sent();
  }
  kill() {
    withdrawals.raise();
    native.kill(this.id);
    this.engine._sent();
  }
  link(other) {
    withdrawals.raise();
    native.link(this.id, idOf(other, "other"));
    this.engine._sent();
  }
  unlink(other) {
    native.unlink(this.id, idOf(other, "other"));
  }
  trapExit(on = true) {
    native.trapExit(this.id, Boolean(on));
  }
  suspend() {
    native.suspend(this.id, true);
  }
  resume() {
    native.suspend(this.id, false);
    this.engine._sent();
  }
  notify(bits) {
    native.notify(this.id, bits);
    this.engine._sent();
  }

  // ---------------------------------------------------------------- groups, presence, wills

  join(group) {
    native.groupJoin(this.id, text(group, "group"));
    this.engine._sent();
  }
  leave(group) {
    native.groupLeave(this.id, text(group, "group"));
    this.engine._sent();
  }
  enterPresence(group, key, options) {
    const { grace = 0 } = optionsOf(options);
    native.presenceEnter(this.id, text(group, "group"), text(key, "key"), grace);
    this.engine._sent();
  }
  leavePresence(group, key) {
    native.presenceLeave(this.id, text(group, "group"), text(key, "key"));
    this.engine._sent();
  }
  setWill(topic, data, options) {
    const { tag = 0, retain = false } = optionsOf(options);
    native.willSet(this.id, text(topic, "topic"), tag, data, retain);
  }
  clearWill() {
    native.willClear(this.id);
  }

  stats() {
    return native.stats(this.id);
  }
  /** Settles when the mailbox is over and its handler is not running. */
  ended(options) {
    return this.engine._ended(this.id, options);
  }
}

/** Disposing of what is over already, with its engine perhaps, is no error. */
function quietly(end) {
  try {
    end();
  } catch (error) {
    tolerated(error);
  }
}
function tolerated(error) {
  if (!(error instanceof TidingsError)) throw error;
}

class Call extends Id {
  cancel() {
    return native.callCancel(this.id);
  }
  [dispose]() {
    quietly(() => this.cancel());
  }
}

class Monitor extends Id {
  #forget;
  constructor(engine, id, forget) {
    super(engine, id);
    this.#forget = forget;
  }
  demonitor(options) {
    const { flush = false } = optionsOf(options);
    const outcome = OUTCOME[native.demonitor(this.id, flush)];
    if (outcome !== "delivered" || flush) this.#forget?.();
    return outcome;
  }
  [dispose]() {
    quietly(() => this.demonitor());
  }
}

class Subscription extends Id {
  unsubscribe(options) {
    const { flush = false } = optionsOf(options);
    native.unsubscribe(this.id, flush);
  }
  [dispose]() {
    quietly(() => this.unsubscribe());
  }
}

/** What `watchGroup` and its like give: the state in the step in which the watch began. */
class Watch extends Id {
  constructor(engine, id, snapshot) {
    super(engine, id);
    this.snapshot = snapshot;
  }
  unwatch(options) {
    const { flush = false } = optionsOf(options);
    return native.unwatch(this.id, flush);
  }
  [dispose]() {
    quietly(() => this.unwatch());
  }
}

class Timer extends Id {
  cancel() {
    return native.timerCancel(this.id);
  }
  [dispose]() {
    quietly(() => this.cancel());
  }
  read() {
    return native.timerRead(this.id);
  }
}

module.exports = { Address, Call, Monitor, Subscription, Timer, Watch, hex, idOf, idOrNobody, itemsOf, quietly, text, tolerated };
