// One client of SocketCluster.
// All that goes to it goes through its mailbox, in order and under a bound: frames, what its channels bring (its subscriptions), calls (requests,
// which its answer replies to), pings (a timer), and the close. While its socket takes no more the mailbox is suspended; one that runs full ends, and the client
// with it. When the mailbox ends, its names, subscriptions, timers and presence end, and who called it is told: there is nothing else to clean up.
import { randomBytes } from "node:crypto";
import errors from "sc-errors";
import formatter from "sc-formatter";
import { TidingsError, ReplyError } from "tidings";
import { Packets } from "./packets.mjs";

const FRAME = 0; // tags of what is in its mailbox; a larger one is the code to close with
const DIRECT = 1; // data that goes out as the event `direct`
const READ = 2; // it may go on
const PINGS = ["#1", ""]; // of the protocols 1 and 2
const PONGS = ["#2", ""];
const BURST = 64; // packets it may send until those who get something of them have had their turn
const FULL = 256 * 1024; // bytes in the socket's own queue, from which on the mailbox waits
const TEXT = { binary: false };
const ID_BYTES = 15;

/** Does what sends something to a mailbox; it ends if that is refused, for a client that has missed something would not know. */
function deliver(send, mailbox) {
  try {
    send();
  } catch (error) {
    if (!(error instanceof TidingsError)) throw error;
    if (error.code !== "TD_ENOPROC" && error.code !== "TD_ENOTFOUND") mailbox()?.kill();
  }
}

/** The topic of a channel, whose name may be any text: one token, in which dots and wildcards mean nothing. */
export function topicOf(channel) {
  const wellFormed = Buffer.from(channel).toString();
  return `channel:${encodeURIComponent(wellFormed).replace(/[.*]/g, (sign) => (sign === "." ? "%2E" : "%2A"))}`;
}

export class Connection {
  id = randomBytes(ID_BYTES).toString("base64url");
  active = false; // it has shaken hands
  authToken = null;
  direct; // the event as which it gets what is sent to it alone
  mailbox;
  #handshake; // its deadline
  #clock; // a mailbox for the deadlines, which hold also while the other is suspended
  #cluster;
  #socket;
  #stream; // below the socket
  #corked = false;
  #packets;
  #burst = 0;
  #resting = false;
  #unread = []; // packets that wait while it rests, from #next on
  #next = 0;
  #version; // 1 or 2, known from its first pong
  #heard;
  #pinged = false;
  #suspended = false;
  #over = false;
  #channels = new Map(); // name -> Subscription
  #asked = new Map(); // cid -> request
  #lastCid = 0;

  constructor(cluster, socket, stream) {
    const { engine } = cluster;
    const { maxMessages, maxBytes, pingInterval, pingTimeout, handshakeTimeout } = cluster.options;
    this.#cluster = cluster;
    this.#socket = socket;
    this.#stream = stream;
    this.#packets = new Packets(this, cluster);
    this.mailbox = engine.mailbox({ maxMessages, maxBytes, policy: "kill", handler: (message) => this.#pass(message) });
    this.mailbox.once("end", (reason) => (reason === "normal" ? undefined : this.#abort()));
    this.#heard = engine.now();
    this.#clock = engine.mailbox({ handler: (timer) => this.#due[timer.text()]() });
    engine.sendEvery(this.mailbox, pingInterval);
    engine.sendAfter(this.#clock, pingTimeout, "pong");
    this.#handshake = engine.sendAfter(this.#clock, handshakeTimeout, "handshake");
    socket.on("message", (data) => this.#receive(data));
    socket.on("error", () => {}); // "close" comes next
    socket.on("close", () => this.#gone());
  }

  // ---------------------------------------------------------------- to the client

  /** A frame. */
  send(packet) {
    this.#post(formatter.encode(packet));
  }
  emit(event, data) {
    this.send({ event, data });
  }
  /** Asks the client; rejects with its error, or a TimeoutError. */
  async invoke(event, data, { timeout = this.#cluster.options.ackTimeout } = {}) {
    try {
      const reply = await this.mailbox.call(formatter.encode({ event, data }), { timeout });
      return reply.data.length === 0 ? undefined : JSON.parse(reply.text());
    } catch (error) {
      if (error instanceof ReplyError) throw errors.hydrateError(JSON.parse(Buffer.from(error.data).toString()));
      if (error.code === "TD_ETIMEDOUT") throw new errors.TimeoutError(`Event response for '${event}' timed out`);
      throw new errors.BadConnectionError(`Event '${event}' was aborted due to a bad connection`, "connectAbort");
    }
  }
  /** Data for the one alone that has this name, if anyone has. */
  static direct(engine, name, data, { from } = {}) {
    const encoded = formatter.encode(data);
    deliver(
      () => engine.send(name, encoded, { tag: DIRECT, from }),
      () => engine.whereis(name),
    );
  }
  /** Closes it behind all that it was sent. */
  disconnect(code = 1000, data) {
    if (this.#version !== 2) this.emit("#disconnect", { code, data });
    this.close(code, this.#version === 2 ? data : undefined);
  }
  /** The same, without a word of it in protocol 1. */
  close(code, reason = "") {
    this.#post(reason, code);
  }
  #post(data, tag = FRAME) {
    deliver(
      () => this.mailbox.send(data, { tag, from: this.mailbox }),
      () => this.mailbox,
    );
  }

  #pass(message) {
    if (message.lost > 0) return this.#abort(); // it comes again and is told how things are
    if (message.kind === "timer") return this.#ping();
    if (message.kind === "request") return this.#ask(message);
    const { tag } = message;
    if (tag === FRAME) this.#write(message.data);
    else if (tag === READ) this.#readOn();
    else if (tag === DIRECT) this.#write(`{"event":${JSON.stringify(this.direct)},"data":${message.text() || "null"}}`);
    else this.#close(tag, message.text());
  }
  #write(data) {
    const socket = this.#socket;
    if (!this.#corked) this.#cork();
    socket.send(data, TEXT, this.#written);
    if (this.#suspended || socket.bufferedAmount < FULL) return;
    this.#suspended = true;
    this.mailbox.suspend();
  }
  /** One write for all that comes in this turn. */
  #cork() {
    this.#corked = true;
    this.#stream.cork();
    process.nextTick(() => {
      this.#corked = false;
      this.#stream.uncork();
    });
  }
  #written = () => {
    if (!this.#suspended || this.#over || this.#socket.bufferedAmount >= FULL) return;
    this.#suspended = false;
    this.mailbox.resume();
  };
  #ping() {
    this.#pinged = true;
    for (const ping of this.#version === undefined ? PINGS : [PINGS[this.#version - 1]]) this.#write(ping);
  }
  #ask(request) {
    const now = this.#cluster.engine.now();
    for (const [cid, { deadline }] of this.#asked) if (deadline < now) this.#asked.delete(cid);
    const cid = ++this.#lastCid;
    this.#asked.set(cid, request);
    this.#write(`${request.text().slice(0, -1)},"cid":${cid}}`);
  }

  // ---------------------------------------------------------------- from the client

  #receive(data) {
    if (this.#over) return;
    this.#heard = this.#cluster.engine.now();
    const text = data.toString();
    const version = PONGS.indexOf(text) + 1;
    if (version !== 0) return this.#pong(version);
    const decoded = formatter.decode(text);
    for (const packet of Array.isArray(decoded) ? decoded : [decoded]) this.#unread.push(packet);
    if (!this.#resting) this.#read();
  }
  #read() {
    for (; this.#next < this.#unread.length && !this.#over; this.#next++) {
      if (this.#burst++ === BURST) return this.#rest();
      const packet = this.#unread[this.#next];
      if (packet !== null && typeof packet === "object") this.#packets.take(packet);
    }
    this.#unread = [];
    this.#next = 0;
  }
  /** Takes no more for now. Its mailbox has its turn after those to which it has said something: then it may go on. */
  #rest() {
    this.#resting = true;
    this.#socket.pause();
    this.#post(undefined, READ);
  }
  #readOn() {
    this.#resting = false;
    this.#burst = 0;
    this.#read();
    if (!this.#resting) this.#socket.resume();
  }
  #pong(version) {
    if (this.#pinged) this.#version ??= version;
    if (this.authToken?.exp * 1000 < Date.now()) this.deauthenticate();
  }
  /** The answer to a call; one that nobody waits for is ignored. */
  answered({ rid, data, error }) {
    const request = this.#asked.get(rid);
    if (request === undefined) return;
    this.#asked.delete(rid);
    try {
      if (error === undefined || error === null) request.reply(JSON.stringify(data));
      else request.replyError(1, JSON.stringify(error));
    } catch {
      // late, or nested too deeply to be passed on: then it is none
    }
  }

  activate() {
    this.active = true;
    this.#handshake.cancel();
  }

  // ---------------------------------------------------------------- channels

  isSubscribed(channel) {
    return this.#channels.has(channel);
  }
  get subscriptions() {
    return [...this.#channels.keys()];
  }
  subscribe(channel) {
    if (this.#channels.has(channel)) return;
    this.#channels.set(channel, this.mailbox.subscribe(topicOf(channel), { policy: "kill" }));
  }
  unsubscribe(channel) {
    this.#channels.get(channel).unsubscribe({ flush: true });
    this.#channels.delete(channel);
  }
  /** Puts it out of a channel: of what was published there nothing more comes, also not what was queued. */
  kickOut(channel, message) {
    if (!this.#channels.has(channel)) return;
    this.unsubscribe(channel);
    this.emit("#kickOut", { message, channel });
  }

  // ---------------------------------------------------------------- who it is

  setAuthToken(claims, options) {
    const token = this.#cluster.tokens.sign(claims, options);
    this.authToken = this.#cluster.tokens.verify(token);
    this.emit("#setAuthToken", { token });
  }
  deauthenticate() {
    this.authToken = null;
    this.emit("#removeAuthToken", null);
  }
  /** Takes a token that it was given before; answers what is wrong with it, and has it forgotten. */
  authenticate(signed) {
    try {
      this.authToken = this.#cluster.tokens.verify(signed);
      return null;
    } catch (error) {
      this.deauthenticate();
      return error;
    }
  }

  // ---------------------------------------------------------------- its end

  #due = {
    handshake: () => this.disconnect(4005),
    pong: () => {
      const { engine, options } = this.#cluster;
      const left = options.pingTimeout - (engine.now() - this.#heard);
      if (left > 0) engine.sendAfter(this.#clock, left, "pong");
      else this.#close(4001);
    },
  };
  #close(code, reason = "") {
    this.#socket.resume(); // to hear that it closes, too
    this.#socket.close(code, this.#version === 2 && code === 4001 ? "Client pong timed out" : reason);
    this.#gone();
  }
  /** Its mailbox ran full, was killed, or is gone with the engine. */
  #abort() {
    this.#socket.terminate();
    this.#gone();
  }
  #gone() {
    if (this.#over) return;
    this.#over = true;
    this.#cluster.connections.delete(this);
    this.#clock[Symbol.dispose]();
    this.mailbox[Symbol.dispose]();
  }
  get over() {
    return this.#over;
  }
}
