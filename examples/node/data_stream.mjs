// Streams figures of this machine to HTTP clients: a node:http server with the engine inside it.
//
//   node data_stream.mjs [--port N] [--interval MS]
//   curl -N http://127.0.0.1:PORT/stream      one JSON line per tick
//   curl -X POST http://127.0.0.1:PORT/stop   ends the source; the streams end cleanly
//
// The source is a mailbox named "source". A timer ticks it; it samples /proc, keeps client -> callback, monitors each client and forgets
// it when it is DOWN: nobody has to sign off. Each client has a mailbox of its own, read only while its socket takes more, so a slow reader
// costs at most its mailbox's bound, loses its oldest lines and disturbs nobody. It monitors the source by name: the response ends
// when the source dies, and at once, with no data, when the source is not there.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { Engine, Reason, TidingsError } from "tidings";
/** @import { Address, Mailbox, Message } from "tidings" */
/** @import { IncomingMessage, ServerResponse } from "node:http" */
/** @import { AddressInfo } from "node:net" */

const JOIN = 1; // to the source, from a client's mailbox
const STREAM_MESSAGES = 64; // lines that wait for a slow reader

// ---------------------------------------------------------------- the figures

/** @param {string} path @param {RegExp} pattern */
function field(path, pattern) {
  const found = pattern.exec(readFileSync(path, "latin1"));
  if (found === null) throw new Error(`${path} does not hold what a Linux /proc holds`);
  return Number(found[1]);
}

/** @param {number} seq */
function sample(seq) {
  const interfaces = [...readFileSync("/proc/net/dev", "latin1").matchAll(/^\s*[^:\s]+:\s*(\d+)(?:\s+\d+){7}\s+(\d+)/gm)];
  return {
    seq,
    time_ms: Date.now(),
    load1: field("/proc/loadavg", /^([\d.]+)/),
    mem_available_kib: field("/proc/meminfo", /^MemAvailable:\s*(\d+)/m),
    rx_bytes: interfaces.reduce((sum, [, received]) => sum + Number(received), 0),
    tx_bytes: interfaces.reduce((sum, [, , sent]) => sum + Number(sent), 0),
  };
}

/** Whether an error of the library has one of these codes. @param {unknown} error @param {string[]} codes */
const isOneOf = (error, ...codes) => error instanceof TidingsError && codes.includes(error.code);

/** @param {unknown} error */
const words = (error) => (error instanceof Error ? error.message : String(error));

/** Ends a mailbox that may be over already; whether it was not. @param {Mailbox} mailbox @param {number} reason @param {string} [why] */
function end(mailbox, reason, why) {
  try {
    mailbox.exit(reason, why);
    return true;
  } catch (error) {
    if (!isOneOf(error, "TD_ENOPROC")) throw error;
    return false;
  }
}

// ---------------------------------------------------------------- the source

class Source {
  #mailbox;
  /** @type {Map<bigint, (line: Buffer) => void>} */
  #clients = new Map(); // mailbox id -> what tells that client a line
  #joined = 0;
  #ticks = 0;

  /** @param {Engine} engine @param {number} interval */
  constructor(engine, interval) {
    this.#mailbox = engine.mailbox({ name: "source", handler: (message) => this.#handle(message) });
    engine.sendEvery(this.#mailbox, interval);
  }

  /** @param {Message} message */
  #handle(message) {
    if (message.kind === "timer") this.#tick();
    else if (message.tag === JOIN && message.from !== undefined) this.#join(message.from);
  }

  /** @param {Address} client */
  #join(client) {
    if (this.#clients.has(client.id)) return;
    const number = ++this.#joined;
    /** @param {string} reason */
    const forget = (reason) => {
      this.#clients.delete(client.id);
      console.log(`forgot client ${number} (${reason})`);
    };
    this.#clients.set(client.id, (line) => client.send(line, { from: this.#mailbox }));
    console.log(`client ${number} joined`);
    this.#mailbox.monitor(client, {
      died: (reason, down) => forget(down.text() || reason),
      alreadyDown: () => forget("had gone already"),
    });
  }

  #tick() {
    const line = Buffer.from(`${JSON.stringify(sample(++this.#ticks))}\n`); // encoded once: the same bytes for everyone
    for (const tell of this.#clients.values()) {
      try {
        tell(line);
      } catch (error) {
        if (!isOneOf(error, "TD_ENOPROC")) throw error; // it has just gone: its DOWN is on the way
      }
    }
  }

  stop() {
    if (end(this.#mailbox, Reason.NORMAL)) console.log("source stopped");
  }
}

// ---------------------------------------------------------------- the clients

/** @param {Engine} engine @param {ServerResponse} response */
async function stream(engine, response) {
  const mailbox = engine.mailbox({ maxMessages: STREAM_MESSAGES, policy: "drop_old" });
  /** @param {string} reason */
  const leave = (reason) => end(mailbox, Reason.USER, reason);
  const gone = new AbortController();
  response.on("close", () => {
    gone.abort();
    leave("connection closed");
  });
  const died = () => leave("source died");
  const alreadyDown = () => leave("no source");

  response.writeHead(200, { "Content-Type": "application/x-ndjson", "Cache-Control": "no-store" });
  response.flushHeaders();
  mailbox.monitor("source"); // before the subscription: a source that ends in between is still noticed
  try {
    engine.send("source", undefined, { tag: JOIN, from: mailbox });
  } catch (error) {
    if (!isOneOf(error, "TD_ENOTFOUND", "TD_ENOPROC")) throw error; // nobody there: the DOWN says so
  }
  for await (const message of mailbox) {
    if (message.kind === "down") {
      if (message.reason === "noproc") alreadyDown();
      else died();
      break;
    }
    if (!response.write(message.data)) await once(response, "drain", { signal: gone.signal });
  }
  response.end();
}

// ---------------------------------------------------------------- the server

/** @param {ServerResponse} response @param {number} status @param {string} text @param {Record<string, string>} [headers] */
function answer(response, status, text, headers = {}) {
  response.writeHead(status, { "Content-Type": "text/plain", "Content-Length": Buffer.byteLength(text), ...headers });
  response.end(text);
}

const ALLOWED = new Map([["/stream", "GET"], ["/stop", "POST"]]);

/** @param {Engine} engine @param {Source} source @param {IncomingMessage} request @param {ServerResponse} response */
function handle(engine, source, request, response) {
  const { pathname } = new URL(request.url ?? "", "http://localhost");
  const allowed = ALLOWED.get(pathname);
  if (allowed === undefined) return answer(response, 404, "there is GET /stream and POST /stop\n");
  if (request.method !== allowed) return answer(response, 405, `${allowed} it\n`, { Allow: allowed });
  if (pathname === "/stop") {
    source.stop();
    return answer(response, 200, "stopped\n");
  }
  stream(engine, response).catch((error) => {
    if (error.name !== "AbortError") console.error(`data_stream: a stream failed: ${error.message}`);
    response.destroy();
  });
}

/** @param {string} text @returns {never} */
function fail(text) {
  console.error(`data_stream: ${text}`);
  process.exit(1);
}

function options() {
  const { values } = parseArgs({ options: { port: { type: "string", default: "0" }, interval: { type: "string", default: "1000" } } });
  /** @param {"port" | "interval"} name @param {number} least @param {number} most */
  const number = (name, least, most) => {
    const n = Number(values[name]);
    if (!Number.isInteger(n) || n < least || n > most) fail(`--${name} must be a whole number from ${least} to ${most}, not ${values[name]}`);
    return n;
  };
  return { port: number("port", 0, 65535), interval: number("interval", 1, 86_400_000) };
}

function main() {
  const { port, interval } = options();
  try {
    sample(0);
  } catch (error) {
    fail(`this example shows figures of a Linux /proc: ${words(error)}`);
  }
  const engine = new Engine();
  const source = new Source(engine, interval);
  const server = createServer((request, response) => {
    try {
      handle(engine, source, request, response);
    } catch (error) {
      answer(response, error instanceof TidingsError ? 503 : 400, `${words(error)}\n`);
    }
  });
  server.on("error", (error) => fail(`cannot listen on port ${port}: ${error.message}`));
  server.listen(port, "127.0.0.1", () => {
    const { port } = /** @type {AddressInfo} */ (server.address());
    console.log(`listening on http://127.0.0.1:${port}`);
  });
  for (const name of ["SIGTERM", "SIGINT"]) {
    process.once(name, () => {
      server.close();
      server.closeAllConnections();
      engine.close(); // nothing is left that keeps the process alive
    });
  }
}

try {
  main();
} catch (error) {
  fail(words(error));
}
