// The daemon: an engine, the pool of workers in it, and a socket at which clients, and workers of an earlier daemon, connect.
import { once } from "node:events";
import { rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { Engine } from "tidings";
import { Links } from "./links.mjs";
import { Options } from "./options.mjs";
import { DAEMON } from "./peer.mjs";
import { Pool } from "./pool.mjs";

const GOODBYE = 1_000; // ms that clients have to take what is on its way
const PRIVATE = 0o007; // nobody but the user and the group may connect

/** Starts one, with options as in options.mjs. It has no workers until it is asked for them, or those that an earlier one has left. */
export async function start(given, file) {
  const options = new Options(given, file);
  const links = new Links(options);
  if (await answers(links.ipc)) throw new Error(`a daemon listens at ${links.ipc} already`);
  const engine = new Engine().ref();
  const pool = Pool.start({ engine, name: DAEMON }, options, links);
  const server = createServer((socket) => pool.accept(socket));
  await listen(server, links.ipc);
  return new Daemon(engine, pool, server, links.ipc);
}

class Daemon {
  engine;
  path; // of its socket
  over; // settles when it has ended
  #pool;
  #server;

  constructor(engine, pool, server, path) {
    this.engine = engine;
    this.path = path;
    this.#pool = pool;
    this.#server = server;
    this.over = pool.ended().then(() => this.#close());
  }
  get options() {
    return this.#pool.options;
  }
  status() {
    return this.#pool.status();
  }
  /** Asks it what a client may ask. */
  async ask(type, data = {}) {
    const { data: answer } = await this.engine.call(DAEMON, JSON.stringify({ type, data }), { timeout: Infinity });
    return answer.length === 0 ? undefined : JSON.parse(Buffer.from(answer).toString());
  }
  /** Stops the workers, and itself. */
  async terminate() {
    await this.ask("terminate");
    await this.over;
  }
  /** Ends, and leaves its workers to the daemon that listens next. */
  async release() {
    this.#server.close();
    await this.#pool.release();
    await this.#pool.stop();
    await this.over;
  }

  async #close() {
    if (this.#server.listening) this.#server.close();
    await this.engine.drain({ timeout: GOODBYE });
    const peers = [...this.#pool.peers];
    for (const peer of peers) peer.close();
    const late = setTimeout(() => peers.forEach((peer) => peer.destroy()), GOODBYE);
    await Promise.all(peers.map((peer) => peer.closed));
    clearTimeout(late);
  }
}

async function answers(path) {
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function listen(server, path) {
  rmSync(path, { force: true });
  const before = process.umask(PRIVATE);
  try {
    server.listen(path);
    await once(server, "listening");
  } finally {
    process.umask(before);
  }
}
