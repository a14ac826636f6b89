// Waiting without blocking for what only asking tells: how a part of a streamed reply gets into a mailbox that is full now, and how an end is
// noticed in an engine that drains.
// Guarantees: an attempt is made again whenever this thread has taken messages out of a mailbox, and after a delay that doubles up to LONGEST
// for readers elsewhere; giving up, by time or by signal, has queued nothing.
"use strict";
const { late } = require("./errors.js");
const { enter, waits } = require("./turns.js");

const LONGEST = 8;

const waiting = new Set(); // functions that try again
let told = false;

/** Messages were taken here: there may be room. */
function taken() {
  if (waiting.size === 0 || told) return;
  told = true;
  const soon = setImmediate(() => {
    told = false;
    for (const again of [...waiting]) again();
  });
  if (waits.held === 0) soon.unref(); // the timers come to it, where anything keeps the process alive
}

/** Settles when `attempt` has answered true. `deadline` is what Engine._deadline gives. */
function room(attempt, { deadline, signal, what = "room in the caller's mailbox" } = {}) {
  return new Promise((resolve, reject) => {
    let delay = 1;
    let timer;
    const settle = (how, what) => {
      clearTimeout(timer);
      waiting.delete(again);
      stop?.();
      signal?.removeEventListener("abort", aborted);
      how(what);
    };
    const again = () => {
      clearTimeout(timer);
      enter();
      try {
        if (attempt()) return settle(resolve);
      } catch (error) {
        return settle(reject, error);
      }
      timer = setTimeout(again, delay).unref();
      delay = Math.min(delay * 2, LONGEST);
    };
    const aborted = () => settle(reject, signal.reason);
    let stop;
    if (signal?.aborted) return reject(signal.reason);
    signal?.addEventListener("abort", aborted, { once: true });
    stop = deadline?.(() => settle(reject, late(what)));
    waiting.add(again);
    again();
  });
}

module.exports = { room, taken };
