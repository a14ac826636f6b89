// What a worker answers: each request by its handler, with one reply or any number of them.
// A stream of replies goes at the pace of the connection and of who reads it, ends when it is given up, and lets the event loop turn.
import { setImmediate as nextTurn } from "node:timers/promises";

const BURST = 64; // replies in a row

const isStream = (value) => typeof value === "object" && value !== null && (Symbol.asyncIterator in value || (Symbol.iterator in value && "next" in value));

export class Replies {
  #send; // a frame; answers false when the connection has enough
  #handlers = new Map();
  #open = new Map(); // id of a request -> { paused, cancelled }, of those that are answered now
  #waiting = []; // streams that wait: functions that go on

  constructor(send) {
    this.#send = send;
  }
  handle(request, answer) {
    this.#handlers.set(request, answer);
  }

  async answer(requestId, request, data) {
    const state = { paused: false, cancelled: false };
    const reply = (rest) => state.cancelled || this.#send({ type: "reply", requestId, ...rest });
    this.#open.set(requestId, state);
    try {
      const handler = this.#handlers.get(request);
      if (handler === undefined) throw new Error(`Unhandled application request: ${request}`);
      const answer = await handler(data);
      if (!isStream(answer)) return reply({ data: { pid: process.pid, data: answer }, done: true });
      await this.#stream(answer, state, (data) => reply({ data: { pid: process.pid, data } }));
      reply({ done: true });
    } catch (error) {
      reply({ errors: [error instanceof Error ? error.message : String(error)] });
    } finally {
      this.#open.delete(requestId);
    }
  }
  async #stream(replies, state, reply) {
    let burst = 0;
    for await (const data of replies) {
      const more = reply(data);
      if (++burst % BURST === 0) await nextTurn();
      if (!more) await this.#wait();
      while (state.paused && !state.cancelled) await this.#wait();
      if (state.cancelled) return;
    }
  }
  #wait() {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  // ---------------------------------------------------------------- its pace

  /** The connection takes more. */
  drained() {
    for (const goOn of this.#waiting.splice(0)) goOn();
  }
  pause(requestId) {
    const state = this.#open.get(requestId);
    if (state !== undefined) state.paused = true;
  }
  continue(requestId) {
    const state = this.#open.get(requestId);
    if (state !== undefined) state.paused = false;
    this.drained();
  }
  cancel(requestId) {
    const state = this.#open.get(requestId);
    if (state !== undefined) state.cancelled = true;
    this.drained();
  }
  /** The connection over which they were asked for is gone. */
  cancelAll() {
    for (const requestId of this.#open.keys()) this.cancel(requestId);
  }
}
