// A connection to the daemon: a client's, or a worker's.
// What it asks for are calls from its mailbox, and what comes of them leaves through its mailbox: while its socket takes no more the mailbox is suspended and
// nothing more is read from it. When the connection ends the mailbox ends, and its calls are given up.
import { FAILED } from "./remote.mjs";
import { frames, write } from "./frames.mjs";

const AHEAD = 1_024; // replies that wait until the socket takes them
const MOST = 10_000; // requests that are open
const APART = 100; // ms between the first reply to one who loses what comes together with that, and the rest
const SLOW = "slow"; // its timer
export const DAEMON = "daemon"; // the name of who does what is asked of the daemon itself

/** Why a worker has not answered, in words. */
const FAILURES = {
  TD_EDOWN: (message) => message.text(),
  TD_ENOPROC: () => "is gone",
  TD_EFULL: () => "takes no more requests",
  TD_ETOOBIG: () => "does not take a request as large as this",
};

export class Peer {
  worker; // whose connection it is, if it is one's
  mailbox;
  closed; // settles when it is
  #daemon;
  #socket;
  #calls = new Map(); // id of a call -> { requestId, call, targets }
  #clock; // a mailbox for the deadline of a client that does not read
  #slow; // its timer
  #enough = false; // written for now
  #apart = new Map(); // id of a call, as text -> { requestId, held }: replies that wait until the first one has been read
  #held = 0; // of them all

  constructor(daemon, socket, worker) {
    const { engine, options } = daemon;
    this.#daemon = daemon;
    this.#socket = socket;
    daemon.peers.add(this);
    this.mailbox = engine.mailbox({ maxMessages: AHEAD, handler: (message) => this.#pass(message) });
    this.mailbox.once("end", () => socket.destroy());
    this.#clock = engine.mailbox({ handler: (timer) => this.#due(timer.text()) });
    frames(socket, { limit: options.longestLine, onFrame: (frame) => this.#take(frame), onBad: (error) => this.#bad(error) });
    socket.on("drain", () => this.#drained());
    socket.on("error", () => {}); // "close" comes next
    this.closed = new Promise((resolve) => socket.on("close", () => resolve(this.#gone())));
    if (worker !== undefined) this.#become(worker);
  }

  /** The connection of this worker, from now on. */
  #become(worker) {
    this.worker = worker;
    worker.connected(this, (frame) => this.#write(frame));
  }
  close() {
    this.#socket.end();
  }
  destroy() {
    this.#socket.destroy();
  }
  #gone() {
    this.#clock[Symbol.dispose]();
    this.mailbox[Symbol.dispose]();
    this.#daemon.peers.delete(this);
    this.worker?.disconnected(this);
  }

  // ---------------------------------------------------------------- to it

  #write(frame) {
    const more = write(this.#socket, frame);
    if (more || this.#enough || this.#socket.destroyed) return more;
    this.#enough = true;
    this.mailbox.suspend();
    this.#socket.pause();
    const { engine, options } = this.#daemon;
    if (this.worker === undefined) this.#slow = engine.sendAfter(this.#clock, options.slowTimeout, SLOW);
    return false;
  }
  #drained() {
    this.#enough = false;
    this.#slow?.cancel();
    this.#socket.resume();
    this.#resume();
    this.worker?.remote.drained();
  }
  #resume() {
    if (!this.#enough && this.#held < AHEAD) this.mailbox.resume();
  }
  #due(what) {
    if (what === SLOW) this.destroy();
    else this.#replyHeld(what);
  }
  #reply(requestId, answer) {
    this.#write({ type: "reply", requestId, ...answer });
  }
  #fail(requestId, ...errors) {
    this.#reply(requestId, { errors });
  }

  // ---------------------------------------------------------------- from it

  #take(frame) {
    const { type, id, data, streams } = frame;
    if (type === "reply") return this.worker?.remote.answer(frame);
    if (id === undefined) return this.#told(type, data ?? {});
    try {
      this.#asked(type, id, data ?? {}, streams === true);
    } catch (error) {
      this.#fail(id, error.message);
    }
  }
  #bad(error) {
    this.#daemon.log(`${this}: ${error.message}`);
    if (this.worker === undefined) this.destroy();
  }
  toString() {
    return this.worker === undefined ? "a client" : `worker ${this.worker.id}`;
  }

  #told(type, data) {
    if (type === "online" || type === "broken") this.#announced(type, data);
    else this.#daemon.log(`${this} says ${JSON.stringify(type)}, which means nothing`);
  }
  #announced(type, data) {
    if (this.worker === undefined) {
      const worker = this.#daemon.adopt(data);
      if (worker === undefined) return this.destroy();
      this.#become(worker);
    }
    this.worker.announced(type, data);
  }
  #asked(type, requestId, data, streams) {
    if (this.#calls.size >= MOST) throw new Error(`${MOST} requests are open, which is as many as may be`);
    if (type === "send-app-msg") return this.#sendMessage(requestId, data);
    if (type === "send-app-req") return this.#sendRequest(requestId, data, streams);
    if (type === "cancel-req") return this.#cancel(requestId, data);
    const call = this.mailbox.request(DAEMON, JSON.stringify({ type, data }), { timeout: Infinity });
    this.#calls.set(call.id, { requestId, call });
  }
  /** Gives up one that was asked before. */
  #cancel(requestId, { requestId: cancelled }) {
    for (const [id, asked] of this.#calls) {
      if (asked.requestId !== cancelled) continue;
      asked.call.cancel();
      this.#calls.delete(id);
    }
    this.#reply(requestId, { done: true });
  }
  #selected({ workers }) {
    return this.#daemon.select(workers, this.worker?.id);
  }
  #sendMessage(requestId, data) {
    const message = JSON.stringify({ type: "app-msg", data: { message: data.message, data: data.data } });
    const errors = [];
    for (const worker of this.#selected(data)) {
      try {
        worker.mailbox.send(message, { from: this.mailbox });
      } catch (error) {
        errors.push(`${worker}: ${error.message}`);
      }
    }
    if (errors.length > 0) this.#fail(requestId, ...errors);
    else this.#reply(requestId, { done: true });
  }
  #sendRequest(requestId, data, streams) {
    const targets = new Map(this.#selected(data).map((worker) => [worker.mailbox.id, worker]));
    const request = JSON.stringify({ type: "app-req", data: { request: data.request, data: data.data } });
    const call = this.mailbox.requestMany(targets.keys(), request, { timeout: Infinity }); // each worker's replies have their deadlines
    this.#calls.set(call.id, { requestId, call, targets, isFirst: !streams });
  }

  // ---------------------------------------------------------------- what comes of it

  #pass(message) {
    const asked = this.#calls.get(message.ref);
    if (asked === undefined) return;
    const { requestId, targets, isFirst } = asked;
    if (message.kind === "replies" || targets === undefined) this.#calls.delete(message.ref);
    if (targets === undefined) return this.#passOwn(requestId, message);
    if (message.kind !== "replies") return this.#passReply(asked, targets.get(message.from.id), message);
    if (isFirst) this.#replyApart(asked, {});
    this.#replyApart(asked, { done: true });
  }
  #passReply(asked, { id, pid }, message) {
    if (message.kind === "reply" && message.status !== 0) return this.#replyApart(asked, { data: { id, pid, errors: this.#errors(message, id, pid) } });
    const text = message.text();
    if (text !== "") this.#replyApart(asked, { data: { id, pid, data: JSON.parse(text)?.data } });
  }
  /**
   * Who does not say that it takes streams is taken for a client of Nodesockd's: that loses what it reads together with the first of several replies, and
   * cannot bear an end that is the first.
   */
  #replyApart(asked, answer) {
    const { requestId, call, held } = asked;
    if (held !== undefined) {
      held.push(answer);
      if (++this.#held >= AHEAD) this.mailbox.suspend();
      return;
    }
    this.#reply(requestId, answer);
    if (!asked.isFirst) return;
    asked.isFirst = false;
    asked.held = [];
    this.#apart.set(String(call.id), asked);
    this.#daemon.engine.sendAfter(this.#clock, APART, String(call.id));
  }
  #replyHeld(id) {
    const asked = this.#apart.get(id);
    this.#apart.delete(id);
    for (const answer of asked.held) this.#reply(asked.requestId, answer);
    this.#held -= asked.held.length;
    asked.held = undefined;
    this.#resume();
  }
  #passOwn(requestId, message) {
    const text = message.text();
    if (message.status === 0) this.#reply(requestId, { done: true, data: text === "" ? undefined : JSON.parse(text) });
    else this.#fail(requestId, ...(message.error === undefined ? JSON.parse(text) : ["The daemon is ending"]));
  }
  #errors(message, id, pid) {
    if (message.status === FAILED) return JSON.parse(message.text());
    const says = FAILURES[message.error]?.(message) ?? `has not answered: ${message.error}`;
    return [`Worker ${id} (${pid}) ${says}`];
  }
}
