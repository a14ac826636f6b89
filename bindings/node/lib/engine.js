// Engines as this thread sees them.
// Guarantees: one Engine object per engine and thread; everything that waits is a promise, and nothing here blocks.
"use strict";
const { native } = require("./native.js");
const { Address, Timer, hex, idOf, idOrNobody, itemsOf, withdrawals } = require("./address.js");
const { TidingsError, ReplyError, closed, invalid } = require("./errors.js");
const { ERROR_NAMES } = require("./names.js");
const { openMailbox } = require("./mailbox.js");
const { stir } = require("./turns.js");
const { inspect } = require("node:util");

const VIRTUAL_CLOCK = 1;
const CALL_TIMEOUT = 5000;

const CALL_ERRORS = {
  TD_EDOWN: "the mailbox called ended before it answered",
  TD_ETIMEDOUT: "no answer came in time",
  TD_ENOREPLY: "the request was dropped without an answer",
};

const engines = new Map(); // id -> Engine
let theDefault;

function replyFailure(reply) {
  if (reply.status > 0) return new ReplyError(reply.status, reply.data);
  const code = ERROR_NAMES[-reply.status] ?? "TD_EINVAL";
  const words = reply.text();
  const error = new TidingsError(code, `call: ${CALL_ERRORS[code] ?? "it failed"}${words === "" ? "" : `: ${words}`}`, reply.status);
  error.data = reply.data;
  return error;
}

class Engine {
  #host;
  #virtual;
  #owned;
  #replies; // a handler mailbox of our own: replies to calls that come from nobody, deadlines on the virtual clock
  #refs = 0;

  constructor({ virtualClock = false } = {}, adopt) {
    const [host, id] = adopt ?? native.engineOpen(virtualClock ? VIRTUAL_CLOCK : 0);
    this.#host = host;
    this.#virtual = virtualClock;
    this.#owned = adopt === undefined;
    Object.defineProperty(this, "id", { value: id, enumerable: true });
    engines.set(id, this);
  }

  /** The engine with this id, opened elsewhere in the process (another worker, a C host). */
  static from(id) {
    if (typeof id !== "bigint") id = idOf(id, "engine");
    return engines.get(id) ?? new Engine({}, native.engineAttach(id));
  }

  mailbox(options = {}) {
    return openMailbox(this, this.#host, options);
  }

  address(id) {
    return new Address(this, idOf(id, "id"));
  }

  // ---------------------------------------------------------------- sending

  send(target, data, { tag = 0, from, timeout } = {}) {
    if (typeof target === "string") native.sendName(this.#host, target, idOrNobody(from), tag, data, timeout);
    else native.send(idOf(target, "target"), idOrNobody(from), tag, data, timeout);
    stir();
  }

  publish(topic, data, { tag = 0, from } = {}) {
    const receipt = native.publish(this.#host, idOrNobody(from), String(topic), tag, data);
    stir();
    return receipt;
  }

  publishMany(topic, items, { from } = {}) {
    const { datas, tags } = itemsOf(items);
    const receipt = native.publishMany(this.#host, idOrNobody(from), String(topic), datas, tags);
    stir();
    return receipt;
  }

  // ---------------------------------------------------------------- calling

  async call(target, data, { tag = 0, from, timeout = CALL_TIMEOUT, signal } = {}) {
    signal?.throwIfAborted();
    const to = typeof target === "string" ? this.#named(target) : idOf(target, "target");
    const caller = from ?? this.#private();
    if (typeof caller._expect !== "function" || caller._slot < 0) throw invalid("from must be an open mailbox of this thread: the answer comes to it");
    const ticket = native.callStart(to, caller.id, tag, data, timeout);
    stir();
    return new Promise((resolve, reject) => {
      const held = timeout !== Infinity;
      const aborted = () => {
        native.callCancel(ticket);
        caller._forget(ticket);
        settle(reject, signal.reason);
      };
      const settle = (how, what) => {
        signal?.removeEventListener("abort", aborted);
        if (held) this._hold(-1);
        how(what);
      };
      if (held) this._hold(1);
      signal?.addEventListener("abort", aborted, { once: true });
      caller._expect(ticket, {
        deliver: (reply) => (reply.status === 0 ? settle(resolve, reply) : settle(reject, replyFailure(reply))),
        ended: () => settle(reject, closed()),
      });
    });
  }

  #named(name) {
    const id = native.whereis(this.#host, name);
    if (id === 0n) throw new TidingsError("TD_ENOTFOUND", `call: no mailbox has the name ${inspect(name)}`, -6);
    return id;
  }

  #private() {
    this.#replies ??= this.mailbox({ handler: () => {} });
    return this.#replies;
  }

  // ---------------------------------------------------------------- names

  register(name, mailbox) {
    native.register(idOf(mailbox, "mailbox"), String(name));
  }
  registerReplace(name, mailbox) {
    const previous = native.registerReplace(idOf(mailbox, "mailbox"), String(name));
    return previous === 0n ? undefined : new Address(this, previous);
  }
  unregister(name) {
    native.unregister(this.#host, String(name));
  }
  whereis(name) {
    const id = native.whereis(this.#host, String(name));
    return id === 0n ? undefined : new Address(this, id);
  }

  // ---------------------------------------------------------------- time

  sendAfter(target, ms, data, { tag = 0 } = {}) {
    const id = typeof target === "string" ? native.sendAfterName(this.#host, target, ms, tag, data) : native.sendAfter(idOf(target, "target"), ms, tag, data);
    return new Timer(this, id);
  }
  sendEvery(target, ms, data, { tag = 0 } = {}) {
    return new Timer(this, native.sendEvery(idOf(target, "target"), ms, tag, data));
  }
  now() {
    return native.now(this.#host);
  }
  advance(ms) {
    native.advance(this.#host, ms);
  }

  /** How a wait's deadline is kept: (expired) => (stop). On the virtual clock it is a timer of the engine, else one of Node's. */
  _deadline(timeout) {
    if (timeout === undefined || timeout === Infinity) return undefined;
    if (typeof timeout !== "number" || !(timeout >= 0)) throw invalid("timeout must be a number of milliseconds from 0 to Infinity");
    if (!this.#virtual) {
      return (expired) => {
        // Node's timers count whole milliseconds of the loop's time, so one may end up to a millisecond early.
        const until = performance.now() + timeout;
        let timer;
        const look = () => {
          const left = until - performance.now();
          if (left > 0) timer = setTimeout(look, Math.min(Math.ceil(left), 0x7fffffff));
          else expired();
        };
        timer = setTimeout(look, Math.min(Math.ceil(timeout), 0x7fffffff));
        return () => clearTimeout(timer);
      };
    }
    return (expired) => {
      const box = this.#private();
      const timer = native.sendAfter(box.id, timeout, 0, undefined);
      this._hold(1);
      box._expect(timer, { deliver: expired });
      return () => {
        box._forget(timer);
        native.timerCancel(timer);
        this._hold(-1);
      };
    };
  }

  // ---------------------------------------------------------------- life

  run() {
    return native.run(this.#host);
  }
  stats() {
    return native.engineStats(this.#host);
  }
  ref() {
    if (this.#refs === 0) this._hold(1);
    this.#refs = 1;
    return this;
  }
  unref() {
    if (this.#refs === 1) this._hold(-1);
    this.#refs = 0;
    return this;
  }
  _hold(by) {
    if (engines.get(this.id) === this) native.engineRef(this.#host, by);
  }
  _sent() {
    stir();
  }

  close() {
    if (engines.get(this.id) !== this) return;
    engines.delete(this.id);
    if (theDefault === this) theDefault = undefined;
    withdrawals.count++;
    native.engineClose(this.#host, this.#owned);
  }

  [inspect.custom]() {
    return `<Engine ${hex(this.id)}>`;
  }
}

function defaultEngine() {
  if (theDefault === undefined) {
    const adopted = native.engineAttach(undefined);
    theDefault = engines.get(adopted[1]) ?? new Engine({}, adopted);
  }
  return theDefault;
}

module.exports = { Engine, defaultEngine };
