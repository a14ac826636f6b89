// What a worker program uses: how it stands with the daemon, and what the daemon, clients and other workers ask of it.
// The daemon is a mailbox here (`Remote`), over Node's own channel at first, and over the daemon's socket after that: when the daemon hands over its workers, or
// is gone, they look for one that listens there, and only when none comes they are to shut down.
import { EventEmitter, once } from "node:events";
import { connect } from "node:net";
import { setImmediate as nextTurn, setTimeout as sleep } from "node:timers/promises";
import { Reason, defaultEngine } from "tidings";
import { Caller } from "./client.mjs";
import { frames, write } from "./frames.mjs";
import { Remote } from "./remote.mjs";
import { Replies } from "./replies.mjs";

const RETRY = 250; // ms until the next look for a daemon
const PATIENCE = 10_000; // in which one has to come, where the last one did not say
const TITLE = 5; // characters of its id

/**
 * Events: "message" (name, data); "shutdown": it is to end, which it does by closing what keeps it alive; "resume". See also {@link Worker.handle}.
 */
export class Worker extends EventEmitter {
  id;
  name;
  socketPath; // where it is to listen
  suspended; // it is to hold what it is asked for until it is resumed
  resumed; // settles then
  #resume;
  #ipcPath;
  #patience;
  #remote;
  #caller;
  #write; // to the daemon, while there is a connection
  #close;
  #state; // what it has told the daemon last
  #over = false;
  #replies;

  /** Of the process that `env` describes. On its own, without a daemon, nobody asks it for anything, and what it asks for is done by nobody. */
  constructor(env = process.env) {
    super();
    this.id = env.NODESOCKD_WORKER_ID;
    this.socketPath = env.NODESOCKD_SOCKET_PATH;
    this.suspended = env.NODESOCKD_SUSPENDED === "true";
    this.resumed = this.suspended ? new Promise((resolve) => (this.#resume = resolve)) : Promise.resolve();
    this.#ipcPath = env.NODESOCKD_IPC_PATH;
    this.#patience = Number(env.NODESOCKD_ORPHAN_TIMEOUT ?? PATIENCE);
    this.#named(env.NODESOCKD_APP_NAME);
    const engine = defaultEngine();
    this.#remote = new Remote(engine, { pace: (what, requestId) => (what === "cancel" ? this.#caller.cancel(requestId) : undefined) });
    this.#caller = new Caller(engine, this.#remote.mailbox);
    this.#replies = new Replies((frame) => this.#write?.(frame) ?? true);
    if (!this.#hasDaemon) return;
    if (process.connected) this.#useChannel();
    else this.#look(); // it was gone before this began
  }
  get #hasDaemon() {
    return this.id !== undefined;
  }
  #named(name) {
    this.name = name;
    if (this.#hasDaemon) process.title = `${name} worker '${this.id.slice(-TITLE)}'`;
  }

  // ---------------------------------------------------------------- to the daemon

  /** It does its work, or would if it were resumed. */
  reportOnline() {
    this.#report("online");
  }
  /** It cannot do its work any more, and is to be replaced; on its own it is to end. */
  reportBroken(reason) {
    this.#report("broken", reason);
    if (!this.#hasDaemon) this.#shutdown();
  }
  #report(type, reason) {
    this.#state = { type, reason };
    const { id, suspended } = this;
    this.#write?.({ type, data: { id, pid: process.pid, suspended: suspended || undefined, reason, paces: true } });
  }
  /** See Caller in client.mjs; `workers` may also say "self" or "!self". */
  async sendAppMessage(message, data, workers) {
    if (this.#hasDaemon) await this.#caller.sendAppMessage(message, data, workers);
  }
  /** See Caller in client.mjs. */
  async *sendAppRequest(request, data, workers, options) {
    if (this.#hasDaemon) yield* this.#caller.sendAppRequest(request, data, workers, options);
  }

  // ---------------------------------------------------------------- from the daemon

  /** Who answers requests of this name: `answer(data)` gives the reply, or a promise of it, or an iterator, also an async one, of any number of them. */
  handle(request, answer) {
    this.#replies.handle(request, answer);
    return this;
  }
  /** For Express and its like: requests wait until the worker is resumed. */
  middleware() {
    return (request, response, next) => (this.suspended ? this.resumed.then(() => next()) : next());
  }

  #take(frame) {
    const { type, id, data = {} } = frame;
    if (type === "reply") this.#remote.answer(frame);
    else if (type === "app-msg") this.emit("message", data.message, data.data);
    else if (type === "app-req") this.#replies.answer(id, data.request, data.data);
    else if (type === "resume") this.#resumed();
    else if (type === "shutdown") this.#shutdown();
    else if (type === "set-name") this.#named(data.name);
    else if (type === "detach") this.#detach(data.ipcPath);
    else if (type === "pause-app-req") this.#replies.pause(data.requestId);
    else if (type === "continue-app-req") this.#replies.continue(data.requestId);
    else if (type === "cancel-app-req") this.#replies.cancel(data.requestId);
  }
  #resumed() {
    if (!this.suspended) return;
    this.suspended = false;
    this.#resume();
    this.emit("resume");
  }
  async #shutdown() {
    if (this.#over) return;
    this.#over = true;
    await nextTurn(); // Node does not bear that its channel is closed while it hands out what came before there was a listener
    this.#close?.();
    await nextTurn(); // what has come to the program's own socket is accepted
    this.emit("shutdown");
  }

  // ---------------------------------------------------------------- the connection

  #connected(write, close) {
    this.#write = write;
    this.#close = close;
    this.#remote.attach(write);
    if (this.#state !== undefined) this.#report(this.#state.type, this.#state.reason);
  }
  #disconnected() {
    this.#write = this.#close = undefined;
    this.#remote.detach();
    this.#replies.cancelAll();
    if (this.#over) this.#remote.end(Reason.NORMAL);
    else this.#look();
  }

  #useChannel() {
    let unsent = 0;
    const sent = () => (--unsent === 0 ? this.#drained() : undefined);
    process.on("message", (frame) => this.#take(frame));
    process.once("disconnect", () => this.#disconnected());
    const send = (frame) => {
      unsent++;
      return process.connected && process.send(frame, sent);
    };
    this.#connected(send, () => process.disconnect());
  }
  #useSocket(socket) {
    frames(socket, { onFrame: (frame) => this.#take(frame), onBad: () => socket.destroy() });
    socket.on("drain", () => this.#drained());
    socket.on("error", () => {}); // "close" comes next
    socket.on("close", () => this.#disconnected());
    this.#connected((frame) => write(socket, frame), () => socket.end());
  }
  #drained() {
    this.#remote.drained();
    this.#replies.drained();
  }

  async #detach(ipcPath) {
    this.#ipcPath = ipcPath;
    await nextTurn();
    this.#close?.();
  }
  /** For a daemon that listens. */
  async #look() {
    for (let waited = 0; waited < this.#patience && this.#ipcPath !== undefined; waited += RETRY) {
      const socket = connect(this.#ipcPath);
      try {
        await once(socket, "connect");
        return this.#useSocket(socket);
      } catch {
        await sleep(RETRY);
      }
    }
    await this.#shutdown();
  }
}

/** Of this process. */
export const worker = new Worker();
