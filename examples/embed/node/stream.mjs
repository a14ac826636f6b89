// The data stream, for servers of every sort: a source that ticks, and its lines as an async iterator.
//
// The source keeps, for each client, what to call with a line; it monitors the clients and forgets the dead: nobody has to sign off. Each client has a
// mailbox of its own, which is read only as fast as its socket takes lines, so a slow one costs at most that mailbox's bound, loses its oldest lines and
// disturbs nobody. It monitors the source by name, and its iteration ends when the source does.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { Reason, Server, TidingsError } from "tidings";
/** @import { Engine, Mailbox, Message } from "tidings" */
/** @import { WebSocket } from "ws" */

const LINES = 64; // that wait for a slow client

export class Source extends Server {
  #interval;
  #seq = 0;
  /** @type {Map<bigint, (line: string) => void>} */
  #clients = new Map();

  /** @param {number} interval in milliseconds */
  constructor(interval) {
    super();
    this.#interval = interval;
  }
  init() {
    this.engine.sendEvery(this, this.#interval);
  }

  /** A client joins. @param {Message} message */
  handleCast({ from: client }) {
    if (client === undefined || this.#clients.has(client.id)) return;
    this.#clients.set(client.id, (line) => client.send(line, { from: this.mailbox }));
    this.mailbox.monitor(client);
    console.log("a client joined");
  }
  /** @param {Message} down */
  handleDown(down) {
    if (down.from !== undefined) this.#clients.delete(down.from.id);
    console.log(`forgot a client (${down.text() || down.reason})`);
  }
  /** How many there are. */
  handleCall() {
    return String(this.#clients.size);
  }
  /** The tick. */
  handleInfo() {
    const load1 = Number(readFileSync("/proc/loadavg", "latin1").split(" ")[0]);
    const line = JSON.stringify({ seq: ++this.#seq, time_ms: Date.now(), load1 });
    for (const tell of this.#clients.values()) {
      try {
        tell(line);
      } catch (error) {
        if (!isOver(error)) throw error; // its DOWN is on the way
      }
    }
  }
}

/** @param {unknown} error */
const isOver = (error) => error instanceof TidingsError && (error.code === "TD_ENOPROC" || error.code === "TD_ENOTFOUND");

/** The lines as they come, until the source is over or the signal says that the client is. @param {Engine} engine @param {AbortSignal} gone */
export async function* lines(engine, gone) {
  if (gone.aborted) return;
  const mailbox = engine.mailbox({ maxMessages: LINES, policy: "drop_old" });
  try {
    mailbox.monitor("source"); // before joining: an end in between is still noticed
    try {
      engine.send("source", undefined, { from: mailbox });
    } catch (error) {
      if (!isOver(error)) throw error; // the DOWN says so
    }
    for await (const message of mailbox.messages({ signal: gone })) {
      if (message.kind === "down") return;
      yield message.text();
    }
  } catch (error) {
    if (!gone.aborted) throw error;
  } finally {
    leave(mailbox);
  }
}

/** @param {Mailbox} mailbox */
function leave(mailbox) {
  try {
    mailbox.exit(Reason.USER, "connection closed");
  } catch (error) {
    if (!(error instanceof TidingsError)) throw error; // it is over with its engine
  }
}

/** The stream over a WebSocket, beside an echo of what the client says. @param {Engine} engine @param {WebSocket} socket */
export async function talk(engine, socket) {
  const gone = new AbortController();
  socket.on("close", () => gone.abort());
  socket.on("error", () => gone.abort());
  socket.on("message", (data, binary) => {
    socket.pause(); // until the echo is on its way: who does not read is not read from
    socket.send(data, { binary }, () => socket.resume());
  });
  for await (const line of lines(engine, gone.signal)) {
    // Called back when the line is in the hands of the system: the client's pace.
    await new Promise((taken) => socket.send(line, taken));
  }
  socket.close(1001, "the source is over");
}

/** --port and --interval. */
export function options() {
  const { values } = parseArgs({ options: { port: { type: "string", default: "0" }, interval: { type: "string", default: "1000" } } });
  return { port: Number(values.port), interval: Number(values.interval) };
}
