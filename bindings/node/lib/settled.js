// Waiting for a promise no longer than somebody wants to.
"use strict";
const { late } = require("./errors.js");

/** Settles as `promise` does, or with `TD_ETIMEDOUT`, or with the signal's reason. `deadline` is what Engine._deadline gives. */
function settled(promise, { deadline, signal, what }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const settle = (how, value) => {
      stop?.();
      signal?.removeEventListener("abort", aborted);
      how(value);
    };
    const aborted = () => settle(reject, signal.reason);
    const stop = deadline?.(() => settle(reject, late(what)));
    signal?.addEventListener("abort", aborted, { once: true });
    promise.then((value) => settle(resolve, value), (error) => settle(reject, error));
  });
}

module.exports = { settled };
