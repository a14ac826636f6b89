// The other end of a connection, as a mailbox: a message to it goes out as a frame, a request as one with an id, and the replies that come in answer it.
// While the connection takes no more, or there is none, the mailbox is suspended: what is sent to it waits, under its bound. A reader of streamed replies
// that is slow slows the other end (`pace`). When the mailbox ends, all that is open fails with its reason.
import { randomUUID } from "node:crypto";

export const FAILED = 1; // the status of an answer that is a list of errors

// Replies to one request, and characters of them, that wait for their reader: from where on the other end is asked to wait, until when, and the most that
// are kept for a reader whose other end does not know how to wait.
const HIGH = { count: 4_096, size: 2 ** 20 };
const LOW = { count: 512, size: 2 ** 16 };
const MOST = { count: 250_000, size: 64 * 2 ** 20 };

const exceeds = ({ waiting, size }, bound) => waiting > bound.count || size > bound.size;

export class Remote {
  mailbox;
  onIdle = () => {}; // nothing is open any more
  #engine;
  #clock; // a mailbox for the deadlines, which hold also while the other is suspended
  #first; // ms until the first reply
  #gap; // ms between two
  #pace; // (what, id): "pause", "continue" or "cancel" a request
  #write;
  #over = false;
  #open = new Map(); // id -> Open

  constructor(engine, { first = Infinity, gap = first, pace = () => {}, ...bounds } = {}) {
    this.#engine = engine;
    this.#first = first;
    this.#gap = gap;
    this.#pace = pace;
    this.#clock = engine.mailbox({ handler: (timer) => this.#due(timer.text()) });
    this.mailbox = engine.mailbox({ ...bounds, handler: (message) => this.#take(message) });
    this.mailbox.suspend();
  }

  /** There is a connection: `write` sends a frame, and answers false when it has enough. */
  attach(write) {
    this.#write = write;
    this.mailbox.resume();
  }
  /** There is none for now. */
  detach() {
    if (!this.#over) this.mailbox.suspend();
  }
  /** The connection takes more again. It may say so after its end. */
  drained() {
    if (!this.#over) this.mailbox.resume();
  }
  /** What is open will not be answered. */
  giveUp(error) {
    for (const id of this.#open.keys()) this.#fail(id, [error]);
  }
  get open() {
    return this.#open.size;
  }
  /** For good. */
  end(reason, text) {
    this.#over = true;
    for (const { timer } of this.#open.values()) timer?.cancel();
    this.#open.clear();
    this.#clock[Symbol.dispose]();
    this.mailbox.exit(reason, text);
  }

  #take(message) {
    const frame = JSON.parse(message.text());
    const enough = !this.#write(message.kind === "request" ? this.#ask(message, frame) : frame);
    if (enough) this.mailbox.suspend();
  }
  #ask(request, { type, ...rest }) {
    const id = randomUUID();
    const open = { request, heard: this.#engine.now(), begun: false, waiting: 0, size: 0, paused: false, last: undefined, timer: undefined };
    this.#open.set(id, open);
    this.#wait(id, open, this.#first);
    return { type, id, ...rest };
  }

  // ---------------------------------------------------------------- replies

  answer({ requestId: id, data, errors, done }) {
    const open = this.#open.get(id);
    if (open === undefined) return; // it was given up
    open.heard = this.#engine.now();
    open.begun = true;
    if (Array.isArray(errors)) return this.#fail(id, errors);
    const text = data === undefined ? undefined : JSON.stringify(data);
    if (done !== true) this.#part(id, open, text ?? "null");
    else this.#settle(id, (request) => (text === undefined ? request.replyEnd() : request.reply(text)));
  }
  #part(id, open, text) {
    const { length } = text;
    const settled = () => {
      open.waiting--;
      open.size -= length;
    };
    open.waiting++;
    open.size += length;
    open.last = open.request.replyPart(text).then(
      () => (settled(), this.#continue(id, open)),
      (error) => (settled(), this.#refused(id, error)),
    );
    if (exceeds(open, MOST)) this.#fail(id, ["The replies are not read fast enough"]);
    else if (exceeds(open, HIGH) && !open.paused) {
      open.paused = true;
      this.#pace("pause", id);
    }
  }
  #continue(id, open) {
    if (!open.paused || exceeds(open, LOW)) return;
    open.paused = false;
    open.heard = this.#engine.now();
    if (this.#open.has(id)) this.#pace("continue", id);
  }
  /** A part that cannot be passed on: nobody waits for it, or it is too large. */
  #refused(id, error) {
    if (!this.#open.has(id)) return;
    this.#pace("cancel", id);
    this.#fail(id, [error.message]);
  }
  #fail(id, errors) {
    this.#settle(id, (request) => request.replyError(FAILED, JSON.stringify(errors)));
  }
  /** Answers for good, behind the parts that still wait. */
  #settle(id, act) {
    const { request, timer, waiting, last, paused } = this.#open.get(id);
    timer?.cancel();
    this.#open.delete(id);
    if (paused) this.#pace("continue", id); // nothing more comes of it
    const answer = async () => act(request);
    const late = () => {}; // nobody waits for it any more
    if (waiting === 0) answer().catch(late);
    else last.then(answer).catch(late);
    if (this.#open.size === 0) this.onIdle();
  }

  // ---------------------------------------------------------------- deadlines

  #wait(id, open, ms) {
    if (ms !== Infinity) open.timer = this.#engine.sendAfter(this.#clock, ms, id);
  }
  #due(id) {
    const open = this.#open.get(id);
    if (open === undefined) return;
    const limit = open.begun ? this.#gap : this.#first;
    const left = open.paused ? limit : limit - (this.#engine.now() - open.heard);
    if (left > 0) return this.#wait(id, open, left);
    this.#pace("cancel", id);
    this.#fail(id, [`No reply within ${limit} ms`]);
  }
}
