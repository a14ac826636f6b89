// Pulling messages out of one mailbox: recv, tryRecv, iteration, and the replies and DOWNs that belong to a promise or a callback.
// Guarantees: messages stay in the native mailbox, under its bound and policy, until somebody asks; one batch at most is in hand, and what
// of it was not handed out goes back to the front of the queue before anything else is received. A wait that is aborted or times out has
// taken nothing. Waits are served oldest first.
"use strict";
const { native } = require("./native.js");
const { EAGAIN, ECLOSED, KIND, MATCH, isClaimed, kindNumber } = require("./names.js");
const { closed, invalid, optionsOf, TidingsError } = require("./errors.js");
const { idOf } = require("./address.js");
const { Packet } = require("./message.js");
const { taken } = require("./room.js");
const { listeners, withdrawals } = require("./turns.js");

const CLOSED = Symbol("closed");
const ANY = Object.freeze({ fields: 0, predicate: undefined });

// The file descriptor says "not empty", not "something that you want came". So while a wait looks for particular messages behind others
// that it leaves, the mailbox is looked at again: in the turn after this thread has sent anything, else after a delay that doubles.
const LOOK_AGAIN_MIN = 1;
const LOOK_AGAIN_WAIT = 8; // longest, while someone awaits
const LOOK_AGAIN_CALLBACK = 64; // longest, when only monitor callbacks do

/** What recv's options ask for, in the native form. */
function wanted(options) {
  if (options === undefined) return ANY;
  const { kind, tag, tagMask, from, ref, predicate } = optionsOf(options);
  let fields = 0;
  if (kind !== undefined) fields |= MATCH.KIND;
  if (tag !== undefined) fields |= MATCH.TAG;
  else if (tagMask !== undefined) throw invalid("tagMask needs a tag");
  if (from !== undefined) fields |= MATCH.FROM;
  if (ref !== undefined) fields |= MATCH.REF;
  if (predicate !== undefined && typeof predicate !== "function") throw invalid("predicate must be a function");
  if (fields === 0 && predicate === undefined) return ANY;
  return {
    fields,
    kind: kind === undefined ? 0 : kindNumber(kind),
    tag: tag ?? 0,
    tagMask: tagMask ?? 0,
    from: from === undefined ? 0n : idOf(from, "from"),
    ref: ref === undefined ? 0n : typeof ref === "bigint" ? ref : idOf(ref, "ref"),
    predicate,
  };
}

const masked = (want) => (want.tagMask === 0 || want.tagMask === 0n ? 0xffffffffffffffffn : BigInt(want.tagMask));

function fits(message, want) {
  const { fields } = want;
  return (
    ((fields & MATCH.KIND) === 0 || KIND[message.kind] === want.kind) &&
    ((fields & MATCH.TAG) === 0 || (BigInt(message.tag) & masked(want)) === (BigInt(want.tag) & masked(want))) &&
    ((fields & MATCH.FROM) === 0 || (message.from?.id ?? 0n) === want.from) &&
    ((fields & MATCH.REF) === 0 || message.ref === want.ref)
  );
}

class Receiver {
  #mailbox;
  #packet = undefined; // the part of a batch that is in hand
  #index = 0; // of its entries: the next to hand out
  #count = 0;
  #lost = 0; // GAP entries passed since the last message
  #waits = [];
  #iterators = 0; // that have begun and not ended
  #watching = false;
  #timer = undefined;
  #delay = LOOK_AGAIN_MIN;
  #lookAgain = () => this.look();

  constructor(mailbox) {
    this.#mailbox = mailbox;
  }

  /** The oldest that `want` fits: a message, undefined (not now) or CLOSED. */
  take(want) {
    this.putBack();
    const { id, engine } = this.#mailbox;
    for (;;) {
      const got = want.predicate === undefined ? this.#receive(want) : this.#search(want);
      if (got === EAGAIN) return undefined;
      if (got === ECLOSED) return CLOSED;
      if (typeof got !== "object") throw new TidingsError("TD_EINVAL", `unexpected answer ${got} from mailbox ${id}`, got);
      const message = got instanceof ArrayBuffer ? this.#single(got, engine) : got;
      if (!this.#mailbox._route(message)) {
        taken();
        return message;
      }
    }
  }

  #single(buffer, engine) {
    const packet = new Packet(buffer);
    return packet.message(0, packet.lost, engine);
  }

  #receive(want) {
    const { id } = this.#mailbox;
    return want.fields === 0 ? native.receive(id, 0) : native.receive(id, want.fields, want.kind, want.tag, want.tagMask, want.from, want.ref);
  }

  /** By predicate: looks at one message after another and leaves those that do not fit. */
  #search(want) {
    const { id, engine } = this.#mailbox;
    const cursor = new BigUint64Array(4);
    for (;;) {
      const got = native.peek(id, cursor);
      if (typeof got === "number") return got;
      const message = this.#single(got, engine);
      if (this.#mailbox._routed(message) || !fits(message, want) || !want.predicate(message)) continue;
      const rc = native.take(id, cursor);
      if (rc === 0) return message;
      if (rc === ECLOSED) return rc;
    }
  }

  /** The next of the batch in hand, or of the next one: a message, undefined or CLOSED. */
  next() {
    for (;;) {
      const message = this.#nextInHand();
      if (message !== undefined) return message;
      const slot = this.#mailbox._slot;
      if (slot < 0) return this.take(ANY);
      const got = native.batch(slot, this.#index);
      this.#index = this.#count = 0;
      this.#packet = undefined;
      withdrawals.underWay.delete(this);
      if (typeof got === "number") return got === ECLOSED ? CLOSED : undefined;
      this.#packet = new Packet(got);
      withdrawals.underWay.add(this);
      this.#count = this.#packet.count;
    }
  }

  #nextInHand() {
    const packet = this.#packet;
    while (this.#index < this.#count && !packet.isGone) {
      const index = this.#index++;
      const kind = packet.kind(index);
      if (kind === KIND.gap) {
        this.#lost += packet.gap(index);
        continue;
      }
      if (isClaimed(kind) && !native.claim(this.#mailbox._slot, index)) continue;
      const message = packet.message(index, this.#lost, this.#mailbox.engine);
      this.#lost = 0;
      if (!this.#mailbox._route(message)) {
        taken();
        return message;
      }
    }
    return undefined;
  }

  putBack() {
    if (this.#packet === undefined) return;
    const passed = this.#index;
    this.#packet = undefined;
    withdrawals.underWay.delete(this);
    this.#index = this.#count = 0;
    if (this.#mailbox._slot >= 0) native.putBack(this.#mailbox._slot, passed);
  }

  pass() {
    if (this.#index > 0 && this.#mailbox._slot >= 0) native.claim(this.#mailbox._slot, this.#index - 1);
  }

  iterating(by) {
    this.#iterators += by;
  }

  /** next(), for a caller that need not stand in line: undefined when there is a line, or nothing. */
  nextAtOnce() {
    return this.#waits.length === 0 ? this.next() : undefined;
  }

  /** A promise of what `take` (a function like the two above, bound) gives once it gives something. */
  wait(take, any, { signal, deadline } = {}) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const wait = { take, any, resolve, reject, over: undefined };
      const give_up = (error) => {
        const at = this.#waits.indexOf(wait);
        if (at < 0) return;
        this.#waits.splice(at, 1);
        wait.over?.();
        reject(error);
        this.#arm();
      };
      const aborted = () => give_up(signal.reason);
      const stop = deadline?.(() => give_up(new TidingsError("TD_ETIMEDOUT", "no such message came in time", -9)));
      signal?.addEventListener("abort", aborted, { once: true });
      wait.over = () => {
        signal?.removeEventListener("abort", aborted);
        stop?.();
      };
      this.#waits.push(wait);
      this.#delay = LOOK_AGAIN_MIN;
      this.look();
    });
  }

  /** Gives everyone who waits what there is for them, and arranges to be called again. */
  look() {
    for (let i = 0; i < this.#waits.length; ) {
      const wait = this.#waits[i];
      let got;
      let failure;
      try {
        got = wait.take();
      } catch (error) {
        failure = error;
      }
      if (failure === undefined && got === undefined) {
        if (wait.any) break; // it would have taken anything: there is nothing
        i++;
        continue;
      }
      const at = this.#waits.indexOf(wait);
      if (at < 0) continue; // given up by what a predicate or a callback did
      this.#waits.splice(at, 1);
      wait.over();
      this.#delay = LOOK_AGAIN_MIN;
      if (failure !== undefined) wait.reject(failure);
      else if (got === CLOSED) wait.reject(closed());
      else wait.resolve(got);
      if (at < i) i--;
    }
    if (!this.#waits.some((wait) => wait.any)) this.#takeRouted();
    this.#arm();
  }

  /** Replies and DOWNs that belong to a promise or a callback, when nobody takes everything anyway. An iteration is someone who does, also while
   *  it is busy with a message: it meets DOWNs in their order. Replies cannot wait for it, for it may be waiting for them. */
  #takeRouted() {
    const { id, engine } = this.#mailbox;
    for (const ref of this.#mailbox._routedRefs(this.#iterators > 0)) {
      for (let more = true; more; ) {
        const got = native.receive(id, MATCH.REF, 0, 0, 0, 0n, ref);
        if (got === ECLOSED) return;
        more = typeof got === "object" && this.#mailbox._route(this.#single(got, engine)) && this.#mailbox._expects(ref);
      }
    }
  }

  #arm() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    listeners.delete(this.#lookAgain);
    const slot = this.#mailbox._slot;
    if (slot < 0) return;
    const idle = this.#waits.length === 0 && this.#mailbox._routedRefs(this.#iterators > 0).length === 0;
    if (!idle && !this.#waits.some((wait) => wait.any) && this.#backlog()) {
      this.#watch(slot, false);
      listeners.add(this.#lookAgain);
      this.#timer = setTimeout(this.#lookAgain, this.#delay).unref();
      this.#delay = Math.min(this.#delay * 2, this.#waits.length > 0 ? LOOK_AGAIN_WAIT : LOOK_AGAIN_CALLBACK);
    } else {
      this.#watch(slot, !idle);
    }
  }

  #backlog() {
    return this.#packet !== undefined || typeof native.peek(this.#mailbox.id, new BigUint64Array(4)) === "object";
  }

  #watch(slot, on) {
    if (on) native.watch(slot, true);
    else if (this.#watching) native.watch(slot, false);
    this.#watching = on;
  }

  readable() {
    this.#watching = false;
    this.look();
  }

  /** The mailbox is over; its slot goes after this. */
  ended() {
    this.putBack();
    this.#watch(this.#mailbox._slot, false);
    this.#mailbox._slotGone();
    this.look(); // an end marker for the first, then TD_ECLOSED for the rest
  }
}

module.exports = { ANY, CLOSED, Receiver, wanted };
