// Loads the addon, once in each environment (main thread, worker).
// Guarantees: a missing build, a library that does not load and one of another ABI version each give an error that says what to do.
"use strict";
const path = require("node:path");
const { makeError } = require("./errors.js");

const build = path.join(__dirname, "..", "build");

function load() {
  try {
    return require(path.join(build, "tidings.node"));
  } catch (cause) {
    if (process.platform !== "linux") throw new Error(`tidings works on Linux only, not on ${process.platform} yet`, { cause });
    const why = cause.code === "MODULE_NOT_FOUND" ? "it has not been built" : cause.message;
    throw new Error(
      `the tidings addon cannot be loaded: ${why}. Its install script builds it: run "npm rebuild tidings" in your project, ` +
        `or "npm install" in the package's folder (and let npm run install scripts: --ignore-scripts must be off)`,
      { cause },
    );
  }
}

// What the addon calls; mailbox.js fills these in.
const hooks = {
  onBatch: undefined, // (slot, packet) => entries passed
  onReadable: undefined, // (slot)
  onEnded: undefined, // (slot)
};

const native = load().start(path.join(build, "libtidings.so.0"), {
  onBatch: (slot, packet) => hooks.onBatch(slot, packet),
  onReadable: (slot) => hooks.onReadable(slot),
  onEnded: (slot) => hooks.onEnded(slot),
  makeError,
});

module.exports = { native, hooks };
