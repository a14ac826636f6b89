// What a daemon can be told, and what holds where it is told nothing.
import { readFileSync } from "node:fs";
import path from "node:path";

/** Times are in ms. */
const DEFAULTS = {
  name: "app", // in the titles of processes
  worker: "worker.js", // the program
  args: [], // its arguments
  execArgs: [], // Node's
  env: {},
  workerCount: 1,
  standbyCount: 0,
  tmpDir: ".", // where the sockets are
  maxStartAttempts: 1,
  onlineTimeout: 10_000, // from its start until it says that it is online
  adoptionTimeout: 2_000, // in which workers of an earlier daemon may come
  orphanTimeout: 10_000, // in which workers whose daemon is gone look for another one
  linger: 50, // in which a worker that is out of service accepts what came before
  finishTimeout: 2_000, // in which it may finish what it was asked for
  shutdownTimeout: 10_000, // from "shutdown" to SIGTERM,
  killAfter: 5_000, // from there to SIGKILL,
  giveUpAfter: 10_000, // and until it is forgotten
  requestTimeout: 30_000, // until the first reply,
  replyTimeout: 10_000, // and between two
  slowTimeout: 30_000, // in which a client has to read something
  longestLine: 8 * 2 ** 20, // bytes
};
const PATHS = ["worker", "tmpDir"]; // relative to the file in which they stand

export class Options {
  #file;
  #given;

  /** `file` is one with JSON, if there is one; `given` goes before it. */
  constructor(given = {}, file) {
    this.#given = given;
    this.#file = file;
    this.reload();
  }
  /** Reads the file again. */
  reload() {
    const read = this.#file === undefined ? {} : JSON.parse(readFileSync(this.#file, "utf8"));
    const folder = this.#file === undefined ? "." : path.dirname(this.#file);
    for (const key of PATHS) if (typeof read[key] === "string") read[key] = path.resolve(folder, read[key]);
    const options = { ...DEFAULTS, ...read, ...this.#given };
    for (const [key, value] of Object.entries(options)) {
      const fits = Array.isArray(DEFAULTS[key]) ? Array.isArray(value) : typeof value === typeof DEFAULTS[key];
      if (!(key in DEFAULTS) || !fits) throw new TypeError(`${key} is ${key in DEFAULTS ? `no ${typeof DEFAULTS[key]}` : "no option"}`);
    }
    Object.assign(this, options);
  }
}
