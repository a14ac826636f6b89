// The files of a daemon in its folder: the socket it listens at, a socket for each worker, and for each index a link to the socket of the worker in
// service there. A link is replaced by renaming, so there is always one.
import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import path from "node:path";

const UUID = "[\\da-f]{8}(?:-[\\da-f]{4}){3}-[\\da-f]{12}";
const LINK = /^app\.(\d+)\.sock$/;
const SOCKET = new RegExp(`^app\\.(${UUID})\\.sock$`, "i");

export class Links {
  #folder;

  constructor(folder) {
    this.#folder = path.resolve(folder);
    mkdirSync(this.#folder, { recursive: true });
  }
  get ipc() {
    return path.join(this.#folder, "nodesockd.ipc");
  }
  socket(id) {
    return path.join(this.#folder, `app.${id}.sock`);
  }
  #link(index) {
    return path.join(this.#folder, `app.${index}.sock`);
  }

  point(index, id) {
    const next = path.join(this.#folder, `.app.${index}.sock.next`);
    rmSync(next, { force: true });
    symlinkSync(`./app.${id}.sock`, next);
    renameSync(next, this.#link(index));
  }
  clear(index) {
    rmSync(this.#link(index), { force: true });
  }
  /** Of a worker that is no more. */
  remove(id) {
    rmSync(this.socket(id), { force: true });
  }

  /** What an earlier daemon has left: the workers that have a link, by index, and all that have a link or a socket. */
  found() {
    const names = readdirSync(this.#folder);
    const linked = new Map();
    for (const name of names.filter((name) => LINK.test(name))) {
      const [, id] = SOCKET.exec(path.basename(readlinkSync(path.join(this.#folder, name)))) ?? [];
      linked.set(Number(LINK.exec(name)[1]), id);
    }
    const listening = names.map((name) => SOCKET.exec(name)?.[1]);
    return { linked, ids: new Set([...linked.values(), ...listening].filter((id) => id !== undefined)) };
  }
}
