// Waiting no longer than somebody wants to: for a promise, or for a moment.
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

/** A moment; rejects at once with the signal's reason. */
function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const settle = (how, what) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", aborted);
      how(what);
    };
    const aborted = () => settle(reject, signal.reason);
    const timer = setTimeout(settle, ms, resolve);
    signal?.addEventListener("abort", aborted, { once: true });
  });
}

module.exports = { pause, settled };
