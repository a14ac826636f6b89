// Engines as this thread sees them.
// Guarantees: one Engine object per engine and thread; everything that waits is a promise, and nothing here blocks.
"use strict";
const { native } = require("./native.js");
const { Address, Timer, hex, text, tolerated, idOf, idOrNobody, itemsOf } = require("./address.js");
const { asyncDispose, dispose } = require("./dispose.js");
const { TidingsError, ReplyError, closed, invalid, late, optionsOf } = require("./errors.js");
const { CALL_TIMEOUT, ERROR_NAMES } = require("./names.js");
const { openMailbox } = require("./mailbox.js");
const { keysOf, membersOf } = require("./message.js");
const { announce, lifecycle } = require("./lifecycle.js");
const { room } = require("./room.js");
const { pause, settled } = require("./settled.js");
const { stir, waits, withdrawals } = require("./turns.js");
const { inspect } = require("node:util");

const VIRTUAL_CLOCK = 1;
const NO_HOST = 0xffffffff;
const PARTS = 1024; // of a stream that wait at most, when the caller did not say

const CALL_ERRORS = {
  TD_EDOWN: "the mailbox called ended before it answered",
  TD_ETIMEDOUT: "no answer came in time",
  TD_ENOREPLY: "the request was dropped without an answer",
};

const ENDING = "the end of the mailbox";

const engines = new Map(); // id -> Engine
let theDefault;

function replyFailure(reply) {
  if (reply.status > 0) return new ReplyError(reply.status, reply.data);
  const code = ERROR_NAMES[-reply.status] ?? "TD_EINVAL";
  const words = reply.text();
  const error = new TidingsError(code, `call: ${CALL_ERRORS[code] ?? "it failed"}${words === "" ? "" : `: ${words}`}`, reply.status);
  error.data = reply.data;
  error.reason = reply.reason;
  error.status = code === "TD_EDOWN" ? Number(reply.info[0]) : undefined;
  return error;
}

class Engine {
  #host;
  #virtual;
  #owned;
  #replies; // a handler mailbox of our own: replies to calls that come from nobody, deadlines on the virtual clock
  #refs = 0;

  constructor(options, adopt) {
    const { virtualClock = false, maxBytes = 0 } = optionsOf(options);
    const [host, id] = adopt ?? native.engineOpen(virtualClock ? VIRTUAL_CLOCK : 0, maxBytes);
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

  mailbox(options) {
    return openMailbox(this, this.#host, options);
  }

  address(id) {
    return new Address(this, idOf(id, "id"));
  }

  // ---------------------------------------------------------------- sending

  send(target, data, options) {
    const { tag = 0, from, timeout } = optionsOf(options);
    if (typeof target === "string") native.sendName(this.#host, target, idOrNobody(from), tag, data, timeout);
    else native.send(idOf(target, "target"), idOrNobody(from), tag, data, timeout);
    stir();
  }

  publish(topic, data, options) {
    const { tag = 0, from, retain = false } = optionsOf(options);
    const receipt = native.publish(this.#host, idOrNobody(from), text(topic, "topic"), tag, data, Boolean(retain));
    if (receipt.dropped > 0) withdrawals.count++;
    stir();
    return receipt;
  }

  publishMany(topic, items, options) {
    const { from } = optionsOf(options);
    const { datas, tags } = itemsOf(items);
    const receipt = native.publishMany(this.#host, idOrNobody(from), text(topic, "topic"), datas, tags);
    if (receipt.dropped > 0) withdrawals.count++;
    stir();
    return receipt;
  }

  // ---------------------------------------------------------------- calling

  async call(target, data, options) {
    const { tag = 0, from, timeout = CALL_TIMEOUT, signal } = optionsOf(options);
    signal?.throwIfAborted();
    const to = this._called(target);
    const caller = from ?? this.#outside();
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

  async *stream(target, data, options) {
    const { tag = 0, from, timeout = CALL_TIMEOUT, maxMessages = PARTS, maxBytes, signal } = optionsOf(options);
    signal?.throwIfAborted();
    if (from !== undefined && typeof from?.tryRecv !== "function") throw invalid("from must be an open mailbox of this thread: the parts come to it");
    const inbox = from ?? this.mailbox({ maxMessages, maxBytes });
    let call;
    try {
      call = inbox.request(target, data, { tag, timeout });
      const want = { ref: call, signal };
      for (;;) {
        const message = inbox.tryRecv(want) ?? (await this.#held(timeout, inbox.recv(want)));
        if (message.kind === "part") yield message;
        else {
          call = undefined;
          if (message.status !== 0) throw replyFailure(message);
          return message;
        }
      }
    } finally {
      call?.cancel();
      if (from === undefined) inbox.close();
    }
  }

  async *callMany(targets, data, options) {
    const { tag = 0, from, timeout = CALL_TIMEOUT, signal } = optionsOf(options);
    signal?.throwIfAborted();
    const caller = from ?? this.#outside();
    if (typeof caller._expect !== "function" || caller._slot < 0) throw invalid("from must be an open mailbox of this thread: the answers come to it");
    const ids = Array.from(targets, (target) => this._called(target));
    const gathering = native.callMany(ids, caller.id, tag, data, timeout);
    stir();
    const came = [];
    let [end, failure, wake] = [undefined, undefined, undefined];
    const aborted = () => ((failure = signal.reason), wake?.());
    signal?.addEventListener("abort", aborted, { once: true });
    caller._expect(gathering, {
      until: "replies",
      deliver: (message) => (message.kind === "replies" ? (end = message) : came.push(message), wake?.()),
      ended: () => ((failure = closed()), wake?.()),
    });
    try {
      for (;;) {
        if (failure !== undefined) throw failure;
        while (came.length > 0) {
          const reply = came.shift();
          yield reply.status === 0 ? { mailbox: reply.from, reply } : { mailbox: reply.from, error: replyFailure(reply) };
        }
        if (end !== undefined) return { answered: Number(end.info[0]), failed: Number(end.info[1]) };
        await this.#held(timeout, new Promise((resolve) => (wake = resolve)));
        wake = undefined;
      }
    } finally {
      signal?.removeEventListener("abort", aborted);
      if (end === undefined) {
        caller._forget(gathering);
        native.callCancel(gathering);
      }
    }
  }

  /** Keeps the process alive until the promise has settled, unless the wait it belongs to has no end. */
  async #held(timeout, promise) {
    if (timeout === Infinity) return promise;
    this._hold(1);
    waits.held++;
    try {
      return await promise;
    } finally {
      waits.held--;
      this._hold(-1);
    }
  }

  /** The id of whom to call: a mailbox, or the holder of a name. */
  _called(target) {
    if (typeof target !== "string") return idOf(target, "target");
    const id = native.whereis(this.#host, target);
    if (id === 0n) throw new TidingsError("TD_ENOTFOUND", `call: no mailbox has the name ${inspect(target)}`, -6);
    return id;
  }

  /** Who calls when nobody is said to. The library sees a mailbox there, so it is asked first whether it takes anything from outside: an
   *  engine that drains refuses even to publish nothing. */
  #outside() {
    native.publishMany(this.#host, 0n, "call", [], []);
    return this.#private();
  }

  #private() {
    this.#replies ??= this.mailbox({ handler: () => {} });
    return this.#replies;
  }

  /** As #private; undefined where an engine that drains opens no mailbox any more. */
  #privateIfOpen() {
    try {
      return this.#private();
    } catch (error) {
      if (error.code !== "TD_ECLOSED") throw error;
      return undefined;
    }
  }

  // ---------------------------------------------------------------- names

  register(name, mailbox) {
    native.register(idOf(mailbox, "mailbox"), text(name, "name"));
  }
  registerReplace(name, mailbox) {
    const previous = native.registerReplace(idOf(mailbox, "mailbox"), text(name, "name"));
    return previous === 0n ? undefined : new Address(this, previous);
  }
  unregister(name) {
    native.unregister(this.#host, text(name, "name"));
  }
  members(group) {
    return membersOf(native.groupMembers(this.#host, text(group, "group")), this);
  }
  presenceKeys(group) {
    return keysOf(native.presenceKeys(this.#host, text(group, "group")));
  }
  whereis(name) {
    const id = native.whereis(this.#host, text(name, "name"));
    return id === 0n ? undefined : new Address(this, id);
  }

  // ---------------------------------------------------------------- time

  sendAfter(target, ms, data, options) {
    const { tag = 0 } = optionsOf(options);
    const id = typeof target === "string" ? native.sendAfterName(this.#host, target, ms, tag, data) : native.sendAfter(idOf(target, "target"), ms, tag, data);
    return new Timer(this, id);
  }
  sendEvery(target, ms, data, options) {
    const { tag = 0 } = optionsOf(options);
    return new Timer(this, native.sendEvery(idOf(target, "target"), ms, tag, data));
  }
  now() {
    return native.now(this.#host);
  }
  advance(ms) {
    native.advance(this.#host, ms);
  }
  async parked(count, options) {
    const { timeout = 10_000, signal } = optionsOf(options);
    signal?.throwIfAborted();
    const until = performance.now() + timeout;
    while (!native.parked(this.#host, count)) {
      if (performance.now() > until) throw late(`${count} threads that wait`);
      await pause(1, signal);
    }
  }

  /** Address.ended: a monitor of our own tells when, then the handler may still be running elsewhere. */
  async _ended(id, options) {
    const { timeout, signal } = optionsOf(options);
    signal?.throwIfAborted();
    const deadline = this._deadline(timeout);
    if (native.over(id)) return;
    const box = this.#privateIfOpen();
    if (box === undefined) return room(() => native.over(id), { deadline, signal, what: ENDING });
    const monitor = native.monitor(box.id, id, 0, false);
    const over = new Promise((resolve) => box._expect(monitor, { deliver: resolve, ended: resolve }));
    try {
      await settled(over, { deadline, signal, what: ENDING });
    } finally {
      box._forget(monitor);
      native.demonitor(monitor, true);
    }
    while (!native.over(id)) await pause(1, signal);
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
      if (timeout === 0) {
        // The engine's timers fire when the clock is moved, and this has waited long enough as it is.
        const soon = setImmediate(expired);
        return () => clearImmediate(soon);
      }
      const box = this.#privateIfOpen();
      if (box === undefined) return this.#lookAtClock(this.now() + timeout, expired);
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

  /** In place of a timer of the engine, where there is no mailbox for it. */
  #lookAtClock(until, expired) {
    let timer;
    const look = () => {
      let now;
      try {
        now = this.now();
      } catch {
        return; // the engine is closed: the wait ends with its mailbox
      }
      if (now >= until) expired();
      else timer = setTimeout(look, 1);
    };
    timer = setTimeout(look, 1);
    return () => clearTimeout(timer);
  }

  // ---------------------------------------------------------------- life

  run() {
    return native.run(this.#host);
  }
  /** The library is asked now and again, so that the event loop turns while queues empty. */
  async drain(options) {
    const { timeout = Infinity, signal } = optionsOf(options);
    signal?.throwIfAborted();
    const until = this.now() + timeout;
    for (let delay = 0; ; delay = Math.min(delay + 1, 10)) {
      const last = this.now() >= until;
      const report = native.drain(this.#host, last);
      if (report.complete || last) {
        this.close();
        report.suspended = report.suspended.map((id) => new Address(this, id));
        return report;
      }
      await pause(delay, signal);
    }
  }
  inspect() {
    return JSON.parse(native.inspect(this.#host));
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
    withdrawals.raise();
    const host = this.#host;
    this.#host = NO_HOST; // the addon gives the number to the next engine
    native.engineClose(host, this.#owned);
    announce(this, "close");
  }
  [dispose]() {
    this.close();
  }
  async [asyncDispose]() {
    if (this.#owned && engines.get(this.id) === this) await this.drain().catch(tolerated);
    this.close();
  }

  [inspect.custom]() {
    return `<Engine ${hex(this.id)}>`;
  }
}

lifecycle(Engine);

function defaultEngine() {
  if (theDefault === undefined) {
    const adopted = native.engineAttach(undefined);
    theDefault = engines.get(adopted[1]) ?? new Engine({}, adopted);
  }
  return theDefault;
}

module.exports = { Engine, defaultEngine };
