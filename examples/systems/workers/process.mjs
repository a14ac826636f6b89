// A worker: a process of the system, what is known of it, and its end.
// The engine watches the process. Its connection may come and go (`Remote`); when the process has ended, or does not come back, its mailbox ends, and who
// waits for an answer of it is told so.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readFileSync } from "node:fs";
import { Reason } from "tidings";
import { Peer } from "./peer.mjs";
import { Remote } from "./remote.mjs";

const ENDED = Reason.USER; // the reason of its mailbox's end
const REST = 100; // ms in which what an ended process has still written is read, and in which one that has closed its connection may have ended
const LEAVING = 2_000; // ms in which one that is released has to leave
export const STANDBY = "standby"; // the place of those who have no index

export class WorkerProcess {
  id;
  pid;
  index; // where it is in service
  destined; // where it is going to be
  generation; // which of the pool's
  wasRetired = false; // it was told to end
  suspended;
  state = "running";
  stateTs = Date.now();
  reason; // why it is broken, or how it has ended
  wasReady = false; // it has been online
  #readyAt;
  #left; // tells who awaits that it leaves
  remote;
  #pool;
  #clock; // a mailbox for its deadlines and for the news of its process
  #deadline; // of its start, or of its return
  #peer;
  #child;
  #ended; // how the process has
  #lingered = false;
  #told = false; // to end
  #paces = false; // it knows how to pause and to give up its replies; who does not say so is not told to

  constructor(pool, { id = randomUUID(), suspended = false, destined }) {
    const { requestTimeout: first, replyTimeout: gap } = pool.options;
    this.id = id;
    this.suspended = suspended;
    this.destined = destined;
    this.#pool = pool;
    this.#clock = pool.engine.mailbox({ handler: (message) => (message.kind === "down" ? this.#down(message) : this.#due[message.text()]()) });
    this.remote = new Remote(pool.engine, { first, gap, pace: (what, requestId) => this.#pace(what, requestId) });
    this.remote.onIdle = () => this.#finish();
  }

  /** Starts the program. */
  static spawn(pool, options) {
    const worker = new WorkerProcess(pool, options);
    try {
      worker.#spawn();
    } catch (error) {
      worker.#child?.kill("SIGKILL");
      worker.#exited(`cannot be started: ${error.message}`);
    }
    return worker;
  }
  /** Takes over one that another daemon has started; undefined when there is none of that id. */
  static adopt(pool, { id, pid, suspended }) {
    if (!isWorker(pid, id)) return undefined;
    const worker = new WorkerProcess(pool, { id, suspended });
    worker.#watch(pid);
    return worker;
  }

  get mailbox() {
    return this.remote.mailbox;
  }
  get isReady() {
    return this.state === "online" || this.state === "suspended";
  }
  get isAlive() {
    return this.state !== "terminating" && this.state !== "dead";
  }
  /** What it is there for, or going to be: an index, or to stand by. */
  get place() {
    return this.destined ?? this.index ?? STANDBY;
  }
  /** What is wrong with it. */
  get trouble() {
    return this.state === "broken" ? `is broken: ${this.reason ?? "it does not say why"}` : this.reason;
  }
  /** ms since it came online. */
  get age() {
    return this.#pool.engine.now() - this.#readyAt;
  }
  toString() {
    return `Worker ${this.id} (${this.pid})`;
  }
  toJSON() {
    const { id, state, stateTs, index, pid, reason } = this;
    return { id, state, stateTs, idx: index, pid, suspended: this.suspended || undefined, reason };
  }

  #become(state) {
    if (this.state === state || this.state === "dead") return;
    this.state = state;
    this.stateTs = Date.now();
    this.#pool.changed(this);
  }

  // ---------------------------------------------------------------- its beginning

  #spawn() {
    const { name, script, args, execArgs, env, onlineTimeout, orphanTimeout } = this.#pool.options;
    const outputs = this.#outputs();
    const child = (this.#child = spawn(process.execPath, [...execArgs, script, ...args], {
      stdio: ["ignore", ...outputs, "pipe"],
      detached: true, // what a terminal says to the daemon is not for it
      env: {
        ...(env === undefined ? process.env : Object.fromEntries([...env, "NODE_ENV"].map((name) => [name, process.env[name]]))),
        NODE_CHANNEL_FD: "3", // Node's own channel, whose frames are lines of JSON
        NODE_CHANNEL_SERIALIZATION_MODE: "json",
        NODESOCKD_WORKER_ID: this.id,
        NODESOCKD_APP_NAME: name,
        NODESOCKD_SUSPENDED: this.suspended ? "true" : "",
        NODESOCKD_SOCKET_PATH: this.#pool.links.socket(this.id),
        NODESOCKD_IPC_PATH: this.#pool.links.ipc,
        NODESOCKD_ORPHAN_TIMEOUT: String(orphanTimeout),
      },
    }));
    for (const output of outputs) if (typeof output === "number") closeSync(output);
    child.on("error", (error) => this.#exited(`cannot be started: ${error.message}`));
    child.unref(); // it may live longer than the daemon
    if (child.pid === undefined) return;
    this.#within(onlineTimeout);
    new Peer(this.#pool, child.stdio[3], this);
    this.#watch(child.pid);
  }
  /** Where what it prints goes: where the daemon's goes, or to files. */
  #outputs() {
    const { stdout, stderr = stdout } = this.#pool.options;
    return [stdout, stderr].map((file) => (typeof file === "string" ? openSync(file, "a", 0o600) : file === null ? "ignore" : "inherit"));
  }
  #watch(pid) {
    this.pid = pid;
    this.#clock.monitorProcess(pid);
  }
  #within(ms) {
    this.#deadline?.cancel();
    this.#deadline = this.#after(ms, "deadline");
  }

  // ---------------------------------------------------------------- its connection

  connected(peer, write) {
    this.#peer = peer;
    this.remote.attach(write);
  }
  disconnected(peer) {
    if (this.#peer !== peer || this.state === "dead") return;
    this.#peer = undefined;
    this.remote.detach();
    this.#after(REST, "lost"); // unless it has ended, which says more
    if (this.#ended !== undefined) this.#exited(this.#how());
    else if (this.#left !== undefined) this.#left();
    else if (this.isAlive) this.#within(this.#pool.options.onlineTimeout);
  }
  get isConnected() {
    return this.#peer !== undefined;
  }
  /** It says how it is. */
  announced(type, { suspended, reason, paces }) {
    if (!this.isAlive) return;
    this.#deadline?.cancel();
    this.#paces = paces === true;
    if (type === "broken") return this.#breaks(reason);
    if (!this.wasReady) this.#readyAt = this.#pool.engine.now();
    this.wasReady = true;
    this.reason = undefined;
    this.suspended = suspended === true && this.suspended;
    this.#become(this.suspended ? "suspended" : "online");
  }
  #tell(type, data) {
    try {
      this.mailbox.send(JSON.stringify({ type, data }));
    } catch (error) {
      this.#pool.log(`${this} is not told ${type}: ${error.message}`);
    }
  }
  resume() {
    if (!this.suspended) return;
    this.suspended = false;
    this.#tell("resume");
    if (this.state === "suspended") this.#become("online");
  }
  rename(name) {
    this.#tell("set-name", { name });
  }
  /** It is to connect to whoever listens at `ipcPath`. Settles when it has left. */
  release(ipcPath) {
    if (!this.isAlive || !this.isConnected) return undefined;
    this.#tell("detach", { ipcPath });
    this.#after(LEAVING, "left");
    return new Promise((resolve) => (this.#left = resolve));
  }
  #pace(what, requestId) {
    if (this.isConnected && this.#paces) this.#tell(`${what}-app-req`, { requestId });
  }

  // ---------------------------------------------------------------- its end

  /** Lets it finish what it was asked for, then tells it to end, and sees to it that it does. */
  retire() {
    if (!this.isAlive) return;
    this.wasRetired = true;
    const { linger, finishTimeout } = this.#pool.options;
    this.#become("terminating");
    this.#deadline?.cancel();
    this.#after(linger, "linger"); // until it has accepted what came by the link
    this.#after(linger + finishTimeout, "shutdown");
  }
  #finish() {
    if (this.#lingered && this.remote.open === 0) this.#shutdown();
  }
  #shutdown() {
    if (this.#told) return;
    this.#told = true;
    const { shutdownTimeout, killAfter, giveUpAfter } = this.#pool.options;
    if (this.isConnected) this.#tell("shutdown");
    else this.#signal("SIGTERM");
    this.#after(shutdownTimeout, "terminate");
    this.#after(shutdownTimeout + killAfter, "kill");
    this.#after(shutdownTimeout + giveUpAfter, "giveUp");
  }
  #signal(name) {
    this.#pool.log(`${this} gets ${name}`);
    try {
      process.kill(this.pid, name);
    } catch {
      // it has ended
    }
  }
  #down({ exitCode, signal }) {
    this.#ended = { exitCode, signal };
    if (this.isConnected) this.#after(REST, "rest");
    else this.#exited(this.#how());
  }
  /** In words; where the engine was too late to see it, Node may have. */
  #how() {
    const exitCode = this.#ended.exitCode ?? this.#child?.exitCode;
    const signal = this.#ended.signal ?? this.#child?.signalCode;
    if (typeof exitCode === "number") return `has ended with exit status ${exitCode}`;
    return typeof signal === "string" ? `was killed by ${signal}` : "has ended";
  }
  #exited(text) {
    if (this.state === "dead") return;
    this.#left?.();
    this.reason = text;
    this.#become("dead");
    this.remote.end(ENDED, text);
    this.#clock[Symbol.dispose]();
    this.#peer?.destroy();
    this.#pool.links.remove(this.id);
  }
  /** It has not come online, or not come back. */
  #failed() {
    this.#breaks(this.wasReady ? "it has lost its connection" : "it has not come online");
  }
  #breaks(reason) {
    this.reason = typeof reason === "string" ? reason : undefined;
    this.#become("broken");
    this.#pool.log(`${this} ${this.trouble}`);
  }

  #after(ms, what) {
    return this.#pool.engine.sendAfter(this.#clock, ms, what);
  }
  #due = {
    deadline: () => this.#failed(),
    linger: () => ((this.#lingered = true), this.#finish()),
    lost: () => (this.isConnected ? undefined : this.remote.giveUp(`${this} has lost its connection`)),
    left: () => this.#left(),
    shutdown: () => this.#shutdown(),
    terminate: () => this.#signal("SIGTERM"),
    kill: () => this.#signal("SIGKILL"),
    giveUp: () => this.#exited("does not end"),
    rest: () => this.#exited(this.#how()),
  };
}

/** Whether the process with this pid was started as the worker with this id. */
function isWorker(pid, id) {
  if (!Number.isInteger(pid) || pid <= 1) return false;
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(`NODESOCKD_WORKER_ID=${id}`);
  } catch {
    return false; // there is none
  }
}
