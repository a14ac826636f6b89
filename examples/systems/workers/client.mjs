// A client of the daemon.
// At the end of a connection the daemon is a mailbox (`Remote`): what is asked of it is a call, or a stream. So requests have deadlines, a reader that is slow
// slows the connection, and what is open when that ends fails at once. A request to workers has a connection for itself as long as it is read, so that
// nothing else waits for its reader, and the workers stop when that leaves.
import { once } from "node:events";
import { connect as connectTo } from "node:net";
import { Reason, ReplyError, defaultEngine } from "tidings";
import { frames, write } from "./frames.mjs";
import { Remote } from "./remote.mjs";

const PATIENCE = 30_000; // ms for an answer
const AHEAD = 1_024; // replies that wait for their reader
const LARGEST_REPLY = 32 * 2 ** 20; // bytes of a frame
const CLOSED = "The connection to the daemon has ended";
const SPARE = 8; // connections that are kept for the next requests

/** Nobody listens there. */
export class IpcConnectError extends Error {
  name = "IpcConnectError";
}
/** The connection has ended. */
export class IpcClosedError extends Error {
  name = "IpcClosedError";
}
/** What the daemon says when it cannot do what it is asked; `errors` are its words. */
export class RequestError extends Error {
  name = "RequestError";
  constructor(errors) {
    super(errors.join("; "));
    this.errors = errors;
  }
}

/** What clients and workers ask of the daemon: calls to the mailbox that stands for it, and streams. */
export class Caller {
  #engine;
  #daemon;

  constructor(engine, daemon) {
    this.#engine = engine;
    this.#daemon = daemon;
  }

  /** An event "message" in workers: in all that are in service, or in those that `workers` selects. */
  async sendAppMessage(message, data, workers) {
    await this.call("send-app-msg", { message, data, workers });
  }
  /**
   * Yields `{ id, pid, data }` for each reply of a worker, `{ id, pid, errors }` for a worker that fails, as they come. A loop that is left gives the rest up.
   * Without a timeout it may take as long as the daemon lets the workers.
   */
  async *sendAppRequest(request, data, workers, { timeout = Infinity, signal } = {}) {
    const frame = JSON.stringify({ type: "send-app-req", streams: true, data: { request, data, workers } });
    const replies = this.#engine.stream(this.#daemon, frame, { timeout, signal, maxMessages: AHEAD });
    try {
      for (;;) {
        const { done, value } = await replies.next();
        if (value.data.length > 0) yield read(value);
        if (done) return;
      }
    } catch (error) {
      throw known(error);
    } finally {
      await replies.return();
    }
  }
  /** Nobody reads what comes of this request any more. A daemon that does not know how to give it up says so, and goes on. */
  cancel(requestId) {
    this.call("cancel-req", { requestId }).catch(() => {});
  }
  /** Any other request to the daemon; what it answers. */
  async call(type, data, { timeout = PATIENCE, signal } = {}) {
    try {
      return read(await this.#engine.call(this.#daemon, JSON.stringify({ type, data }), { timeout, signal }));
    } catch (error) {
      throw known(error);
    }
  }
}

class Connection extends Caller {
  #socket;

  /** Rejects with an IpcConnectError. */
  static async open(path) {
    const socket = connectTo(path);
    try {
      await once(socket, "connect");
    } catch (error) {
      throw new IpcConnectError(`No daemon listens at ${path}: ${error.message}`, { cause: error });
    }
    return new Connection(socket, defaultEngine());
  }
  constructor(socket, engine) {
    const pace = (what) => (what === "pause" ? socket.pause() : socket.resume());
    const daemon = new Remote(engine, { pace });
    super(engine, daemon.mailbox);
    this.#socket = socket;
    daemon.attach((frame) => write(socket, frame));
    frames(socket, {
      limit: LARGEST_REPLY,
      onFrame: (frame) => (frame.type === "reply" ? daemon.answer(frame) : undefined),
      onBad: () => socket.destroy(),
    });
    socket.on("drain", () => daemon.drained());
    socket.on("error", () => {}); // "close" comes next
    socket.on("close", () => daemon.end(Reason.USER));
  }
  get isOpen() {
    return !this.#socket.destroyed;
  }
  async close() {
    if (this.#socket.closed) return;
    this.#socket.destroySoon();
    await once(this.#socket, "close");
  }
}

/** A client of the daemon whose socket this is. Rejects with an IpcConnectError. */
export async function connect(path) {
  return new Client(path, await Connection.open(path));
}

/** See {@link connect}. */
class Client {
  #path;
  #connection; // for all but requests to workers
  #streams = new Set(); // connections of these
  #spare = []; // those of them that are free

  constructor(path, connection) {
    this.#path = path;
    this.#connection = connection;
  }

  /** See {@link Caller.call}. */
  call(type, data, options) {
    return this.#connection.call(type, data, options);
  }
  /** See {@link Caller.sendAppMessage}. Messages stay in order; what is to be there before a request is asked is to be awaited. */
  sendAppMessage(message, data, workers) {
    return this.#connection.sendAppMessage(message, data, workers);
  }
  /** See {@link Caller.sendAppRequest}. */
  async *sendAppRequest(request, data, workers, options) {
    const connection = await this.#free();
    let isRead = false;
    try {
      yield* connection.sendAppRequest(request, data, workers, options);
      isRead = true;
    } finally {
      if (isRead && this.#spare.length < SPARE) this.#spare.push(connection);
      else this.#drop(connection);
    }
  }
  async #free() {
    while (this.#spare.length > 0) {
      const spare = this.#spare.pop();
      if (spare.isOpen) return spare;
      this.#streams.delete(spare);
    }
    if (!this.#connection.isOpen) throw new IpcClosedError(CLOSED);
    const connection = await Connection.open(this.#path);
    this.#streams.add(connection);
    if (this.#connection.isOpen) return connection;
    this.#drop(connection); // meanwhile it has been terminated
    throw new IpcClosedError(CLOSED);
  }
  #drop(connection) {
    this.#streams.delete(connection);
    return connection.close();
  }

  getStatus() {
    return this.call("status");
  }
  getConfig() {
    return this.call("config");
  }
  /** `suspended`: they wait for {@link resumeWorkers}; `maxAttempts`: how often each is started. */
  startWorkers({ suspended, maxAttempts } = {}, options) {
    return this.call("start-workers", { suspended, maxAttempts }, options);
  }
  restartWorkers({ suspended, maxAttempts, version } = {}, options) {
    return this.call("restart-workers", { suspended, maxAttempts, version }, options);
  }
  resumeWorkers(options) {
    return this.call("resume-workers", undefined, options);
  }
  stopWorkers(options) {
    return this.call("stop-workers", undefined, options);
  }
  setWorkerCount(count, options) {
    return this.call("set-worker-count", { count }, options);
  }
  setStandbyCount(count, options) {
    return this.call("set-standby-count", { count }, options);
  }
  reload(options) {
    return this.call("reload", undefined, options);
  }
  terminateDaemon(options) {
    return this.call("terminate", undefined, options);
  }

  /** Ends this client. The daemon goes on. */
  async terminate() {
    await Promise.all([this.#connection.close(), ...[...this.#streams].map((one) => this.#drop(one))]);
  }
}

const read = (message) => (message.data.length === 0 ? undefined : JSON.parse(message.text()));

function known(error) {
  if (error instanceof ReplyError) return new RequestError(JSON.parse(Buffer.from(error.data).toString()));
  if (error.code === "TD_EDOWN" || error.code === "TD_ENOPROC") return new IpcClosedError(CLOSED, { cause: error });
  return error;
}
