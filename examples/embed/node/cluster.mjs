// Worker threads behind one HTTP server, with one engine between them.
//
//   node cluster.mjs [--port N] [--workers N]
//   curl http://127.0.0.1:PORT/primes/100000     counted by one of the workers
//   curl http://127.0.0.1:PORT/                  who they are, and how much each has done
//   curl -X POST http://127.0.0.1:PORT/crash     ends one of them by an error
//
// Each worker runs a server that joins the group "workers". The main thread watches the group, so it knows at every moment who is there, and calls one
// after another. The call of a worker that ends meanwhile fails at once, with the reason, and goes to the next; another worker thread takes the place. What the
// workers share is a server too: "tally", in the main thread, to whom each reports.
import { createServer } from "node:http";
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { parseArgs } from "node:util";
import { Engine, Server, TidingsError } from "tidings";
/** @import { Address, Message } from "tidings" */
/** @import { ServerResponse } from "node:http" */
/** @import { AddressInfo } from "node:net" */

const MOST = 10_000_000; // of the numbers one may ask for

// ---------------------------------------------------------------- in the workers

class Primes extends Server {
  init() {
    this.mailbox.join("workers");
  }
  /** @param {Message} request */
  handleCall(request) {
    const primes = count(Number(request.text()));
    this.engine.send("tally", String(workerData.number), { from: this.mailbox });
    return JSON.stringify({ primes, worker: workerData.number });
  }
  handleCast() {
    throw new Error("crashed, as asked for");
  }
}

/** Primes below n. @param {number} n */
function count(n) {
  const composite = new Uint8Array(n);
  let primes = 0;
  for (let i = 2; i < n; i++) {
    if (composite[i]) continue;
    primes++;
    for (let j = i * i; j < n; j += i) composite[j] = 1;
  }
  return primes;
}

// ---------------------------------------------------------------- in the main thread

class Tally extends Server {
  /** @type {Record<string, number>} */
  #done = {};
  /** @param {Message} message */
  handleCast(message) {
    const worker = message.text();
    this.#done[worker] = (this.#done[worker] ?? 0) + 1;
  }
  handleCall() {
    return JSON.stringify(this.#done);
  }
}

/** Who is in the group, always as it is now; and a call to one after another. */
class Team extends Server {
  /** @type {Address[]} */
  #members = [];
  #turn = 0;

  init() {
    this.#members = this.mailbox.watchGroup("workers").snapshot;
  }
  /** @param {Message} news */
  handleInfo(news) {
    const { change, from: who } = news;
    if (news.kind === "resync") this.#members = news.members ?? [];
    else if (change === "joined" && who !== undefined) this.#members.push(who);
    else if (change === "left") this.#members = this.#members.filter(({ id }) => id !== who?.id);
  }

  get size() {
    return this.#members.length;
  }
  next() {
    return this.#members[this.#turn++ % this.#members.length];
  }
  /** @param {string} text @returns {Promise<string>} */
  async ask(text) {
    for (let tries = 0; ; tries++) {
      try {
        const worker = this.next();
        if (worker !== undefined) return (await this.engine.call(worker, text, { timeout: 30_000 })).text();
      } catch (error) {
        if (!(error instanceof TidingsError) || !["TD_EDOWN", "TD_ENOPROC"].includes(error.code) || tries === 10) throw error;
      }
      if (this.size === 0) await new Promise((soon) => setTimeout(soon, 20)); // the next is on its way
    }
  }
}

function main() {
  const { values } = parseArgs({ options: { port: { type: "string", default: "0" }, workers: { type: "string", default: "4" } } });
  const engine = new Engine();
  const tally = Tally.start({ engine, name: "tally" });
  const team = Team.start({ engine });
  let [number, ending] = [0, false];

  const hire = () => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { engine, number: ++number } });
    worker.on("exit", () => {
      if (ending) return;
      console.log("a worker ended, another one takes its place");
      hire();
    });
  };
  for (let i = 0; i < Number(values.workers); i++) hire();

  /** @param {string} method @param {string} path @param {ServerResponse} response */
  const handle = async (method, path, response) => {
    const n = Number(/^\/primes\/(\d+)$/.exec(path)?.[1] ?? NaN);
    if (method === "GET" && n <= MOST) response.end(await team.ask(String(n)));
    else if (method === "GET" && path === "/") response.end(JSON.stringify({ workers: team.size, done: JSON.parse((await tally.call()).text()) }));
    else if (method === "POST" && path === "/crash") {
      team.next()?.send("crash");
      response.end("sent\n");
    } else response.writeHead(404).end(`there is GET /primes/N, N up to ${MOST}, GET / and POST /crash\n`);
  };
  const server = createServer((request, response) => {
    handle(request.method ?? "", request.url ?? "", response).catch((error) => response.writeHead(503).end(`${error.message}\n`));
  });
  server.listen(Number(values.port), "127.0.0.1", () => {
    const { port } = /** @type {AddressInfo} */ (server.address());
    console.log(`listening on http://127.0.0.1:${port}`);
  });
  process.once("SIGTERM", async () => {
    ending = true;
    server.close();
    await engine.drain({ timeout: 1000 }); // what was asked is answered; then the workers' servers end, and they with them
    server.closeAllConnections();
  });
}

if (isMainThread) main();
else Primes.start({ engine: Engine.from(workerData.engine) }).ref();
