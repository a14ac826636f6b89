// A mailbox that this thread opened: its handler, or its reader.
// Guarantees: a handler that throws ends its own mailbox with reason callback_failed and the error's text, and nothing else; what a handler
// closes, cancels or flushes is gone from the rest of the batch it is in.
"use strict";
const { inspect } = require("node:util");
const { native, hooks } = require("./native.js");
const { CALL_TIMEOUT, KIND, Reason, isClaimed, isSignal, policyNumber, reasonName } = require("./names.js");
const { Address, Call, Monitor, Subscription, Watch, idOf, quietly, text, tolerated } = require("./address.js");
const { asyncDispose, dispose } = require("./dispose.js");
const { closed, invalid, optionsOf } = require("./errors.js");
const { announce, lifecycle } = require("./lifecycle.js");
const { Packet, keysOf, membersOf } = require("./message.js");
const { ANY, CLOSED, Receiver, wanted } = require("./receive.js");
const { taken } = require("./room.js");
const { enter, stir, withdrawals } = require("./turns.js");

const opened = []; // by slot
const NONE = Object.freeze([]);

hooks.onBatch = (slot, packet) => {
  enter();
  return opened[slot]._deliver(new Packet(packet));
};
hooks.onReadable = (slot) => {
  enter();
  opened[slot]?._readable();
};
hooks.onEnded = (slot) => opened[slot]?._ended();

/** Text and stack of what was thrown: anything can be, also what has neither. */
function told(error) {
  try {
    const stack = error?.stack;
    return [String(error), typeof stack === "string" ? stack : undefined];
  } catch {
    return ["an error without a text"];
  }
}

/** Ends the mailbox of a callback that failed; false when it was over already, and then whoever watches has been told. */
function failed(mailbox, error) {
  try {
    mailbox.exit(Reason.CALLBACK_FAILED, told(error)[0]);
  } catch {
    return false;
  }
  warn(mailbox, error);
  return true;
}

function warn(mailbox, error) {
  const [text, stack] = told(error);
  const warning = new Error(`${mailbox} ended: its callback failed with ${text}`, { cause: error });
  warning.name = "TidingsWarning";
  if (stack !== undefined) warning.stack = `${warning.name}: ${warning.message}\n${stack}`;
  process.emitWarning(warning);
}

function openMailbox(engine, host, options) {
  const { name, maxMessages = 0, maxBytes = 0, policy, blockTimeout = Infinity, notifiable = false, handler } = optionsOf(options);
  if (handler !== undefined && typeof handler !== "function") throw invalid("handler must be a function");
  if (name !== undefined && typeof name !== "string") throw invalid("name must be a string");
  if (name === "") throw invalid("name must not be empty");
  if (!(blockTimeout > 0)) throw invalid("blockTimeout must be a number of milliseconds above 0; for a send that never waits use policy \"fail\"");
  const [slot, id] = native.mailboxOpen(host, handler !== undefined, policyNumber(policy), maxMessages, maxBytes, blockTimeout, name, Boolean(notifiable));
  return (opened[slot] = new Mailbox(engine, slot, id, name, handler));
}

function checkCallbacks(...callbacks) {
  for (const callback of callbacks) if (callback !== undefined && typeof callback !== "function") throw invalid("died and alreadyDown must be functions");
}

class Mailbox extends Address {
  #slot;
  #name;
  #handler;
  #receiver;
  #routes = new Map(); // ref of a call or a monitor -> { deliver(message), ended(), inOrder, until: kind of the last one if not the first }
  #lost = 0;
  #referenced = false;

  constructor(engine, slot, id, name, handler) {
    super(engine, id);
    this.#slot = slot;
    this.#name = name;
    this.#handler = handler;
    this.#receiver = handler === undefined ? new Receiver(this) : undefined;
  }

  get name() {
    return this.#name;
  }
  toString() {
    return this.#name === undefined ? super.toString() : `${super.toString()} ${inspect(this.#name)}`;
  }

  // ---------------------------------------------------------------- receiving

  get readable() {
    this.#reader().putBack();
    return native.readable(this.id);
  }
  tryRecv(options) {
    const got = this.#reader().take(wanted(options));
    if (got === CLOSED) throw closed();
    return got;
  }

  async recv(options) {
    const reader = this.#reader();
    const want = wanted(options);
    const { signal, timeout } = optionsOf(options);
    signal?.throwIfAborted();
    return reader.wait(() => reader.take(want), want === ANY, { signal, deadline: this.engine._deadline(timeout) });
  }

  [Symbol.asyncIterator]() {
    return this.messages();
  }
  messages(options) {
    const { timeout, signal } = optionsOf(options);
    signal?.throwIfAborted();
    const reader = this.#reader();
    const deadline = this.engine._deadline(timeout);
    const next = () => reader.next();
    let state = "new";
    const leave = () => {
      if (state === "begun") reader.iterating(-1);
      state = "over";
      reader.putBack();
      reader.look(); // callbacks that waited for their turn
    };
    return {
      next: async () => {
        if (state === "over") return { value: undefined, done: true };
        if (state === "new") reader.iterating(+1);
        state = "begun";
        try {
          signal?.throwIfAborted();
          const ready = reader.nextAtOnce();
          if (ready !== undefined && ready !== CLOSED) return { value: ready, done: false };
          return { value: await reader.wait(next, true, { signal, deadline }), done: false };
        } catch (error) {
          leave();
          if (error?.code !== "TD_ECLOSED") throw error;
          return { value: undefined, done: true };
        }
      },
      return: async (value) => {
        leave();
        return { value, done: true };
      },
      [Symbol.asyncIterator]() {
        return this;
      },
    };
  }

  #reader() {
    if (this.#receiver === undefined) throw invalid("this mailbox has a handler, which gets its messages; open one without a handler to receive from it");
    return this.#receiver;
  }

  // ---------------------------------------------------------------- what it watches, subscribes to and waits for

  monitor(target, options) {
    const { died, alreadyDown, receipt = false, tag = 0 } = optionsOf(options);
    checkCallbacks(died, alreadyDown);
    if (typeof target !== "string") return this.#monitored(native.monitor(this.id, idOf(target, "target"), tag, receipt), died, alreadyDown);
    if (receipt) throw invalid("a receipt is about one mailbox: monitor it by its address, not by a name");
    return this.#monitored(native.monitorName(this.id, target, tag), died, alreadyDown);
  }
  monitorProcess(pid, options) {
    const { died, alreadyDown, tag = 0 } = optionsOf(options);
    checkCallbacks(died, alreadyDown);
    return this.#monitored(native.monitorProcess(this.id, pid, tag), died, alreadyDown);
  }
  #monitored(ref, died, alreadyDown) {
    if (died === undefined && alreadyDown === undefined) return new Monitor(this.engine, ref);
    const deliver = (down) => (down.status === Reason.NOPROC ? alreadyDown?.(down) : died?.(down.reason, down));
    this._expect(ref, { deliver, inOrder: true });
    return new Monitor(this.engine, ref, () => this._forget(ref));
  }

  request(target, data, options) {
    const { tag = 0, timeout = CALL_TIMEOUT } = optionsOf(options);
    const ticket = native.callStart(this.engine._called(target), this.id, tag, data, timeout);
    stir();
    return new Call(this.engine, ticket);
  }

  requestMany(targets, data, options) {
    const { tag = 0, timeout = CALL_TIMEOUT } = optionsOf(options);
    const ids = Array.from(targets, (target) => this.engine._called(target));
    const gathering = native.callMany(ids, this.id, tag, data, timeout);
    stir();
    return new Call(this.engine, gathering);
  }

  demonitor(monitor, options) {
    if (!(monitor instanceof Monitor)) throw invalid("demonitor takes what monitor() gave");
    return monitor.demonitor(options);
  }

  subscribe(pattern, options) {
    const { policy, maxMessages = 0, queueGroup } = optionsOf(options);
    const group = queueGroup === undefined ? undefined : text(queueGroup, "queueGroup");
    return new Subscription(this.engine, native.subscribe(this.id, text(pattern, "pattern"), policyNumber(policy), maxMessages, group));
  }

  watchGroup(group, options) {
    const { tag = 0 } = optionsOf(options);
    const [id, members] = native.groupWatch(this.id, text(group, "group"), tag);
    return new Watch(this.engine, id, membersOf(members, this.engine));
  }
  watchPresence(group, options) {
    const { tag = 0 } = optionsOf(options);
    const [id, keys] = native.presenceWatch(this.id, text(group, "group"), tag);
    return new Watch(this.engine, id, keysOf(keys));
  }
  watchInterest(pattern, options) {
    const { tag = 0 } = optionsOf(options);
    const [id, subscriptions] = native.interestWatch(this.id, text(pattern, "pattern"), tag);
    return new Watch(this.engine, id, subscriptions);
  }

  /** A signal with this ref goes to `route` and to nobody else. */
  _expect(ref, route) {
    this.#routes.set(ref, route);
    this.#receiver?.look();
  }
  _forget(ref) {
    this.#routes.delete(ref);
  }
  _expects(ref) {
    return this.#routes.has(ref);
  }
  _routed(message) {
    return this.#routes.size !== 0 && isSignal(KIND[message.kind]) && this.#routes.has(message.ref);
  }
  _route(message) {
    if (!this._routed(message)) return false;
    const { ref } = message;
    const route = this.#routes.get(ref);
    if (!route.until || message.kind === route.until) this.#routes.delete(ref);
    try {
      route.deliver(message);
    } catch (error) {
      failed(this, error);
    }
    return true;
  }
  /** The refs to look for; without those that a reader meets in order. */
  _routedRefs(beingRead) {
    if (this.#routes.size === 0) return NONE;
    const refs = [...this.#routes.keys()];
    return beingRead ? refs.filter((ref) => !this.#routes.get(ref).inOrder) : refs;
  }

  // ---------------------------------------------------------------- called by the addon

  get _slot() {
    return this.#slot;
  }
  _slotGone() {
    opened[this.#slot] = undefined;
    this.#slot = -1;
  }
  _readable() {
    this.#receiver.readable();
  }

  /** Hands a packet's messages to the handler; answers how many of its entries were passed. */
  _deliver(packet) {
    taken();
    let at = -1; // the entry that the handler has
    const batch = { pass: () => at >= 0 && native.claim(this.#slot, at) };
    withdrawals.underWay.add(batch);
    try {
      return this.#hand(packet, (index) => (at = index));
    } finally {
      withdrawals.underWay.delete(batch);
    }
  }

  #hand(packet, begin) {
    const { count } = packet;
    const withdrawn = withdrawals.count;
    for (let i = 0; i < count; i++) {
      if (packet.isGone) return i; // the rest comes in another one
      const kind = packet.kind(i);
      if (kind === KIND.gap) {
        this.#lost += packet.gap(i);
        continue;
      }
      if ((isClaimed(kind) || withdrawals.count !== withdrawn) && !native.claim(this.#slot, i)) {
        if (this.#over()) return i;
        continue;
      }
      begin(i);
      const message = packet.message(i, this.#lost, this.engine);
      this.#lost = 0;
      if (this._route(message)) continue;
      try {
        const answer = this.#handler(message);
        if (typeof answer?.then === "function") answer.then(undefined, (error) => failed(this, error));
      } catch (error) {
        failed(this, error);
        return i + 1;
      }
    }
    return count;
  }

  #over() {
    try {
      return !this.stats().open;
    } catch {
      return true;
    }
  }

  /** Why it ended. The library forgets mailboxes that ended long ago, and all of an engine that is closed. */
  _reason() {
    try {
      const { open, reason } = this.stats();
      return open ? undefined : reasonName(reason);
    } catch {
      return "engine_closed";
    }
  }

  _ended() {
    this.unref();
    announce(this, "end", () => [this._reason()]);
    if (this.#receiver !== undefined) this.#receiver.ended();
    else this._slotGone();
    for (const route of this.#routes.values()) route.ended?.();
    this.#routes.clear();
  }

  // ---------------------------------------------------------------- the end, and staying alive

  [dispose]() {
    quietly(() => this.close());
  }
  async [asyncDispose]() {
    this[dispose]();
    await this.ended().catch(tolerated);
  }

  ref() {
    if (!this.#referenced && this.#slot >= 0) this.engine._hold(1);
    this.#referenced = this.#slot >= 0;
    return this;
  }
  unref() {
    if (this.#referenced) this.engine._hold(-1);
    this.#referenced = false;
    return this;
  }
}

lifecycle(Mailbox);

module.exports = { Mailbox, failed, openMailbox, told, warn };
