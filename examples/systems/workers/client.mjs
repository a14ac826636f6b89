// A client of the daemon.
// The daemon is a mailbox (`Remote`): what is asked of it is a call, or a stream. So requests have deadlines, a reader that is slow slows the connection, and
// what is open when that ends fails at once.
import { once } from "node:events";
import { connect as connectTo } from "node:net";
import { Reason, ReplyError, defaultEngine } from "tidings";
import { frames, write } from "./frames.mjs";
import { Remote } from "./remote.mjs";

const PATIENCE = 30_000; // ms for an answer
const AHEAD = 1_024; // replies that wait for their reader
const LARGEST_REPLY = 32 * 2 ** 20; // bytes of a frame

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

/** A client of the daemon whose socket this is. Rejects with an IpcConnectError. */
export async function connect(path) {
  const socket = connectTo(path);
  try {
    await once(socket, "connect");
  } catch (error) {
    throw new IpcConnectError(`No daemon listens at ${path}: ${error.message}`, { cause: error });
  }
  return new Client(socket, defaultEngine());
}

/** See {@link connect}. */
class Client extends Caller {
  #socket;
  #paused = new Set(); // requests whose replies are not read fast enough

  constructor(socket, engine) {
    const daemon = new Remote(engine, { pace: (what, id) => this.#pace(what, id) });
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
    if (this.#socket.closed) return;
    this.#socket.destroySoon();
    await once(this.#socket, "close");
  }

  /** All requests share the connection, so it waits for the slowest of their readers. */
  #pace(what, id) {
    if (what === "pause") this.#paused.add(id);
    else this.#paused.delete(id);
    if (what === "cancel") this.cancel(id);
    if (this.#paused.size > 0) this.#socket.pause();
    else this.#socket.resume();
  }
}

const read = (message) => (message.data.length === 0 ? undefined : JSON.parse(message.text()));

function known(error) {
  if (error instanceof ReplyError) return new RequestError(JSON.parse(Buffer.from(error.data).toString()));
  if (error.code === "TD_EDOWN" || error.code === "TD_ENOPROC") return new IpcClosedError("The connection to the daemon has ended", { cause: error });
  return error;
}
