// The workers as a whole: which of them serve, which stand by, and which are to come or go.
// Whatever happens to a worker is published (`worker.STATE`), and the pool, which hears of it, then does what is missing between what there is and what there
// ought to be. What somebody asks of the daemon is a call to it, which is answered when it has come to that.
import semver from "semver";
import { Server } from "tidings";
import { Peer } from "./peer.mjs";
import { FAILED } from "./remote.mjs";
import { select } from "./specifiers.mjs";
import { STANDBY, WorkerProcess } from "./process.mjs";

export const UPGRADE = "upgrade"; // the topic on which it is said that another daemon is to take over
export const VERSION = "2.0.0-rc.8"; // of Nodesockd, whose protocol this is
const RESTARTING = ["script", "args", "execArgs", "env", "stdout", "stderr"]; // options that only new workers have
const MOST = 1_000; // workers
const EARLY = 1_000; // ms online, below which an end counts as a failure to start
const HASTY = 3; // failures in a row after which the next start has to wait,
const PAUSE = 250; // for so many ms and each time for twice as many,
const LONGEST_PAUSE = 30_000; // but not for more

export class Pool extends Server {
  options;
  links;
  peers = new Set();
  #workers = new Map(); // id -> WorkerProcess, until it has ended
  #serving = new Map(); // index -> the one in service there
  #generation = 0; // of the workers; a restart makes the next one
  #started = false;
  #suspended = false;
  #restarting = false; // until there is a worker of the new generation for each index
  #attempts = Infinity; // to start a worker, while somebody waits for that
  #goals = []; // { request, reached, answer, isStart } of those who wait
  #failures = new Map(); // place -> failures in a row
  #resting = new Set(); // places for which nobody is started now
  #adopting; // the timer, while workers of an earlier daemon may come
  #inherited = new Map(); // id -> index, of those
  #released = false;
  #ending = false; // when the workers have
  #startTs = Date.now();

  constructor(options, links) {
    super();
    this.options = options;
    this.links = links;
  }

  init() {
    this.mailbox.subscribe("worker.*");
    const { linked, ids } = this.links.found();
    if (ids.size === 0) return;
    this.#started = true;
    for (const id of ids) this.#inherited.set(id, undefined);
    for (const [index, id] of linked) this.#inherited.set(id, index);
    this.#adopting = this.engine.sendAfter(this.mailbox, this.options.adoptionTimeout, "adopted");
  }

  // ---------------------------------------------------------------- for connections

  accept(socket) {
    new Peer(this, socket);
  }
  log(text) {
    this.#publish("log", text);
  }
  #publish(topic, text) {
    try {
      this.engine.publish(topic, text);
    } catch {
      // the engine is ending: nobody hears of anything any more
    }
  }
  /** The workers that a specifier selects; `self` is the id of the worker that asks. */
  select(specifier, self) {
    const standby = [...this.#workers.values()].filter((worker) => worker.place === STANDBY && worker.isReady);
    return select(specifier, { current: [...this.#serving.values()], standby, self });
  }
  /** A connection says that it is this worker's. */
  adopt({ id, pid, suspended }) {
    const known = this.#workers.get(id);
    if (known !== undefined) return known.pid === pid && !known.isConnected ? known : undefined;
    const worker = WorkerProcess.adopt(this, { id, pid, suspended: suspended === true });
    if (worker === undefined) return undefined;
    this.#add(worker);
    const index = this.#inherited.get(id);
    this.#inherited.delete(id);
    if (index !== undefined && !this.#serving.has(index)) {
      this.#suspended ||= worker.suspended;
      this.#serve(index, worker);
    }
    if (this.#inherited.size === 0 && this.#adopting?.cancel() !== undefined) this.#adopting = this.engine.sendAfter(this.mailbox, 0, "adopted");
    return worker;
  }
  /** Whoever has not come by now is gone. */
  #adopted() {
    this.#adopting = undefined;
    for (const [id, index] of this.#inherited) {
      this.links.remove(id);
      if (index !== undefined && !this.#serving.has(index)) this.links.clear(index);
    }
    this.#inherited.clear();
    this.#reconcile();
  }

  // ---------------------------------------------------------------- what happens to workers

  changed(worker) {
    this.#publish(`worker.${worker.state}`, JSON.stringify(worker));
  }
  handleInfo(message) {
    if (message.kind === "topic") this.#happened(this.#workers.get(JSON.parse(message.text()).id));
    else if (message.text() === "adopted") return this.#adopted();
    else this.#resting.delete(message.text() === STANDBY ? STANDBY : Number(message.text()));
    this.#reconcile();
  }
  #happened(worker) {
    if (worker?.state === "dead") this.#lost(worker);
    else if (worker?.state === "broken" && worker.index === undefined) {
      this.#failed(worker);
      worker.retire();
    }
  }
  #lost(worker) {
    if (!worker.wasRetired) this.#ended(worker);
    this.#workers.delete(worker.id);
    if (worker.index !== undefined) this.#serving.delete(worker.index);
  }
  #ended(worker) {
    if (worker.wasReady && worker.age > EARLY) this.#failures.delete(worker.place);
    else this.#failed(worker);
  }
  /** It has not come online, or has not stayed so. */
  #failed(worker) {
    const { place } = worker;
    const failures = (this.#failures.get(place) ?? 0) + 1;
    this.#failures.set(place, failures);
    if (!worker.wasReady && failures >= this.#attempts && place !== STANDBY) this.#giveUp(worker);
    else if (failures > HASTY) {
      this.#resting.add(place);
      this.engine.sendAfter(this.mailbox, Math.min(PAUSE * 2 ** (failures - HASTY), LONGEST_PAUSE), String(place));
    }
  }
  /** A start or restart has failed. After a restart what was in service stays so. */
  #giveUp(worker) {
    const text = `${worker} ${worker.trouble}, and ${this.#attempts} have been tried`;
    if (this.#restarting) {
      for (const serving of this.#serving.values()) serving.generation = this.#generation;
      for (const other of this.#workers.values()) if (other.destined !== undefined) other.retire();
    } else this.#resting.add(worker.place);
    this.#restarting = false;
    this.#failGoals(text);
  }
  #failGoals(text) {
    this.#attempts = Infinity;
    for (const { request } of this.#goals.filter(({ isStart }) => isStart)) this.#refuse(request, text);
    this.#goals = this.#goals.filter(({ isStart }) => !isStart);
  }

  // ---------------------------------------------------------------- what there ought to be

  #reconcile() {
    if (this.#adopting !== undefined || this.#released) return;
    if (this.#started) {
      this.#replace();
      this.#keepStandbys();
    } else {
      for (const index of this.#serving.keys()) this.#dismiss(index);
      for (const worker of this.#workers.values()) worker.retire();
    }
    this.#answerGoals();
    if (this.#ending && this.#workers.size === 0) this.stop();
  }
  #indices() {
    return [...Array(this.options.workers).keys()];
  }
  #lacks(index) {
    const worker = this.#serving.get(index);
    return worker === undefined || !worker.isReady || worker.generation !== this.#generation;
  }
  #replace() {
    const { workers } = this.options;
    for (const index of this.#serving.keys()) if (index >= workers) this.#dismiss(index);
    for (const worker of this.#workers.values()) if (worker.destined >= workers) worker.retire();
    const heirs = new Map();
    for (const index of this.#indices().filter((index) => this.#lacks(index))) {
      const heir = this.#heir(index);
      if (heir === undefined) this.#startFor(index);
      else if (this.#restarting && this.#serving.has(index)) heirs.set(index, heir);
      else this.#serve(index, heir);
    }
    if (!this.#restarting || this.#indices().some((index) => this.#lacks(index) && !heirs.has(index))) return;
    for (const [index, heir] of heirs) this.#serve(index, heir); // all of them, or none
    this.#restarting = false;
  }
  /** Who could take this place now. */
  #heir(index) {
    const destined = this.#destined(index);
    if (destined !== undefined || this.#restarting) return destined?.isReady ? destined : undefined;
    return this.#spares().find((worker) => worker.isReady);
  }
  #destined(index) {
    return [...this.#workers.values()].find((worker) => worker.destined === index && worker.isAlive);
  }
  #spares() {
    return [...this.#workers.values()].filter((worker) => worker.place === STANDBY && worker.isAlive && worker.generation === this.#generation);
  }
  #startFor(index) {
    if (this.#destined(index) !== undefined || this.#resting.has(index)) return;
    this.#add(WorkerProcess.spawn(this, { suspended: this.#suspended, destined: index }));
  }
  #add(worker) {
    worker.generation = this.#generation;
    this.#workers.set(worker.id, worker);
  }
  #serve(index, worker) {
    const previous = this.#serving.get(index);
    this.#serving.set(index, worker);
    worker.index = index;
    worker.destined = undefined;
    this.#link(index, worker);
    if (!this.#suspended) worker.resume();
    if (previous !== undefined) this.#retire(previous);
  }
  #link(index, { id }) {
    try {
      this.links.point(index, id);
    } catch (error) {
      this.log(`There is no link to worker ${id}: ${error.message}`);
    }
  }
  #dismiss(index) {
    this.links.clear(index);
    this.#retire(this.#serving.get(index));
    this.#serving.delete(index);
  }
  #retire(worker) {
    worker.index = undefined;
    worker.retire();
  }
  #keepStandbys() {
    if (this.#restarting) return;
    const idle = [...this.#workers.values()].filter((worker) => worker.place === STANDBY && worker.isAlive);
    const fit = idle.filter((worker) => worker.generation === this.#generation && worker.suspended && worker.state !== "broken");
    const kept = fit.slice(0, this.options.standby);
    for (const worker of idle) if (!kept.includes(worker)) worker.retire();
    for (let missing = this.options.standby - kept.length; missing > 0 && !this.#resting.has(STANDBY); missing--) {
      this.#add(WorkerProcess.spawn(this, { suspended: true }));
    }
  }

  // ---------------------------------------------------------------- what is asked of the daemon

  handleCall(request) {
    const { type, data } = JSON.parse(request.text());
    try {
      const command = this.#commands.get(type);
      if (command === undefined) throw new Error(`Unknown IPC request type '${type}'`);
      command(request, data);
    } catch (error) {
      return this.#refuse(request, error.message);
    }
    this.#reconcile();
  }
  #commands = new Map([
    ["status", (request) => this.#answer(request, this.status())],
    ["config", (request) => this.#answer(request, { config: this.options, files: this.options.files })],
    ["start-workers", (request, data) => this.#startWorkers(request, data)],
    ["restart-workers", (request, data) => this.#restartWorkers(request, data)],
    ["resume-workers", (request) => this.#resumeWorkers(request)],
    ["stop-workers", (request) => this.#stopWorkers(request)],
    ["set-worker-count", (request, { count }) => this.#setCount(request, "workers", count)],
    ["set-standby-count", (request, { count }) => this.#setCount(request, "standby", count)],
    ["reload", (request) => this.#reload(request)],
    ["terminate", (request) => this.#terminate(request)],
  ]);

  status() {
    return { pid: process.pid, version: VERSION, startTs: this.#startTs, workers: [...this.#workers.values()].filter(({ state }) => state !== "dead") };
  }
  #answer(request, data) {
    unlessLate(() => request.reply(data === undefined ? undefined : JSON.stringify(data)));
  }
  #refuse(request, text) {
    unlessLate(() => request.replyError(FAILED, JSON.stringify([text])));
  }
  /** Answers when it has come to that. `isStart`: when workers have started, which may fail. */
  #await(request, reached, { answer = () => undefined, isStart = false } = {}) {
    this.#goals.push({ request, reached, answer, isStart });
  }
  #answerGoals() {
    const reached = this.#goals.filter((goal) => goal.reached());
    this.#goals = this.#goals.filter((goal) => !reached.includes(goal));
    for (const { request, answer } of reached) this.#answer(request, answer());
    if (!this.#goals.some(({ isStart }) => isStart)) this.#attempts = Infinity;
  }

  #startWorkers(request, { suspended = false, maxAttempts = this.options.maxStartAttempts }, answer) {
    if (!this.#started) this.#suspended = suspended === true;
    this.#started = true;
    this.#attempts = count(maxAttempts);
    this.#failures.clear();
    this.#resting.clear();
    this.#await(request, () => !this.#restarting && this.#indices().every((index) => !this.#lacks(index)), { answer, isStart: true });
  }
  /** A version that is newer: another daemon, which may be that one, is to take over first. */
  #restartWorkers(request, { version, ...options }) {
    if (semver.valid(version) !== null && semver.gt(version, VERSION)) {
      this.#answer(request, { upgrading: true, pid: process.pid });
      return this.#publish(UPGRADE);
    }
    if (this.#started) {
      this.#generation++;
      this.#restarting = true;
      this.#suspended = options.suspended === true;
      for (const worker of this.#workers.values()) if (worker.destined !== undefined) worker.retire();
    }
    this.#startWorkers(request, options, () => ({ pid: process.pid }));
  }
  #resumeWorkers(request) {
    this.#suspended = false;
    for (const worker of this.#serving.values()) worker.resume();
    this.#answer(request);
  }
  #stopWorkers(request) {
    this.#stop();
    this.#await(request, () => this.#workers.size === 0);
  }
  #stop() {
    this.#started = false;
    this.#restarting = false;
    this.#failGoals("The workers are stopped");
  }
  /** Who asks is told at once, and can wait for the process. */
  #terminate(request) {
    this.#answer(request, { pid: process.pid });
    this.#stop();
    this.#ending = true;
  }
  #setCount(request, which, number) {
    this.options[which] = count(number);
    if (this.#started && which === "workers") this.#startWorkers(request, {});
    else this.#answer(request);
  }
  #reload(request) {
    const before = { ...this.options };
    this.options.reload();
    const { name } = this.options;
    if (name !== before.name) for (const worker of this.#workers.values()) worker.rename(name);
    const isNew = RESTARTING.some((key) => JSON.stringify(this.options[key]) !== JSON.stringify(before[key]));
    if (isNew && this.#started) this.#restartWorkers(request, { suspended: this.#suspended });
    else this.#setCount(request, "workers", this.options.workers);
  }

  /** Leaves its workers to whoever listens at the daemon's socket next. */
  async release() {
    this.#released = true;
    await Promise.all([...this.#workers.values()].map((worker) => worker.release(this.links.ipc)));
  }
}

/** Who has asked may have left meanwhile. */
function unlessLate(answer) {
  try {
    answer();
  } catch (error) {
    if (error.code !== "TD_ESTALE") throw error;
  }
}

function count(number) {
  if (Number.isInteger(number) && number >= 0 && number <= MOST) return number;
  throw new TypeError(`A count must be a whole number of at most ${MOST}`);
}
