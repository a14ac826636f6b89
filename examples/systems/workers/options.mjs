// What a daemon can be told, in the words of Nodesockd's files, and what holds where it is told nothing. Times are in ms.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "yaml";

const DEFAULTS = {
  name: "app", // in the titles of processes
  script: "", // the program
  args: [], // its arguments
  execArgs: [], // Node's
  tmpDir: "", // where the sockets are
  socketFile: "app.{worker}.sock", // for {worker} the id of a worker, or an index: then it is a link
  ipcFile: "nodesockd.ipc",
  workers: 1, // how many are in service,
  standby: 0, // and how many stand by
  debug: false, // whether it says more; it says all there is anyway
};
/** They may also stand under `options`. */
const ADVANCED = {
  spawnTimeout: 2_000, // a process is there at once, or not at all
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
/** Those without a default. */
const OTHERS = {
  env: (value) => Array.isArray(value), // names of variables that workers get; all of them where this is not given
  stdout: (value) => value === null || typeof value === "string", // files for what workers print; null: none
  stderr: (value) => value === null || typeof value === "string",
};
const PATHS = ["script", "tmpDir", "stdout", "stderr"]; // relative to the file in which they stand
const FILES = [".nodesockd.local", "nodesockd.local", ".nodesockd", "nodesockd"].flatMap((name) => [`${name}.yml`, `${name}.yaml`]);
const FIXED = ["tmpDir", "ipcFile", "socketFile"]; // while a daemon runs

const fits = (key, value) => {
  if (key in OTHERS) return value === undefined || OTHERS[key](value);
  const standard = DEFAULTS[key] ?? ADVANCED[key];
  return Array.isArray(standard) ? Array.isArray(value) : typeof value === typeof standard;
};

/** The file that is meant where none is named. */
export function standardFile() {
  const found = FILES.find((name) => existsSync(name));
  if (found === undefined) throw new Error(`there is no ${FILES.at(-2)} here`);
  return found;
}

function read(file) {
  const given = parse(readFileSync(file, "utf8"));
  if (given === null || typeof given !== "object") throw new TypeError(`${file} has no options`);
  const { options, ...rest } = given;
  const all = { ...rest, ...options };
  for (const key of PATHS) if (typeof all[key] === "string") all[key] = path.resolve(path.dirname(file), all[key]);
  return all;
}

export class Options {
  #given;
  #file;

  /** `given` goes before what is in the file, if there is one. */
  constructor(given = {}, file) {
    this.#given = given;
    this.#file = file;
    this.reload();
  }
  /** Reads the file again; what is wrong with it changes nothing. */
  reload() {
    const options = { ...DEFAULTS, ...ADVANCED, ...(this.#file === undefined ? {} : read(this.#file)), ...this.#given };
    for (const [key, value] of Object.entries(options)) {
      if (!(key in DEFAULTS || key in ADVANCED || key in OTHERS)) throw new TypeError(`there is no option ${key}`);
      if (!fits(key, value)) throw new TypeError(`${JSON.stringify(value)} is nothing that ${key} can be`);
    }
    for (const key of ["script", "tmpDir"]) if (options[key] === "") throw new TypeError(`${key} is required`);
    for (const key of FIXED) if (this[key] !== undefined && this[key] !== options[key]) throw new Error(`${key} cannot change while the daemon runs`);
    for (const key of Object.keys(this)) delete this[key];
    Object.assign(this, options);
  }
  /** Where it has been read from. */
  get files() {
    return this.#file === undefined ? [] : [path.resolve(this.#file)];
  }
}
