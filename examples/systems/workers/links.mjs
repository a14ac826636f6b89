// The files of a daemon in its folder: the socket it listens at, a socket for each worker, and for each index a link to the socket of the worker in
// service there. A link is replaced by renaming, so there is always one.
import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";

const UUID = "[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}";
const escape = (text) => text.replace(/[^\w-]/g, "\\$&");

export class Links {
  ipc; // the daemon's socket
  #folder;
  #pattern;

  constructor({ tmpDir, socketFile, ipcFile }) {
    this.#folder = path.resolve(tmpDir);
    this.#pattern = socketFile;
    this.ipc = path.join(this.#folder, ipcFile);
    mkdirSync(this.#folder, { recursive: true });
  }
  #name(worker) {
    return this.#pattern.replace("{worker}", worker);
  }
  #path(worker) {
    return path.join(this.#folder, this.#name(worker));
  }
  socket(id) {
    return this.#path(id);
  }

  point(index, id) {
    const next = `${this.#path(index)}.next`;
    rmSync(next, { force: true });
    symlinkSync(`./${this.#name(id)}`, next);
    renameSync(next, this.#path(index));
  }
  clear(index) {
    rmSync(this.#path(index), { force: true });
  }
  /** Of a worker that is no more. */
  remove(id) {
    rmSync(this.socket(id), { force: true });
  }

  /** What an earlier daemon has left: the workers that have a link, by index, and all that have a link or a socket. */
  found() {
    const [before, after] = this.#pattern.split("{worker}").map(escape);
    const link = new RegExp(`^${before}(\\d+)${after}$`);
    const socket = new RegExp(`^${before}(${UUID})${after}$`, "i");
    const names = readdirSync(this.#folder);
    const linked = new Map();
    for (const name of names.filter((name) => link.test(name))) {
      const [, id] = socket.exec(path.basename(readlinkSync(path.join(this.#folder, name)))) ?? [];
      linked.set(Number(link.exec(name)[1]), id);
    }
    const listening = names.map((name) => socket.exec(name)?.[1]);
    return { linked, ids: new Set([...linked.values(), ...listening].filter((id) => id !== undefined)) };
  }
}
