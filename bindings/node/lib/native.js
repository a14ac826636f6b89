// Loads the addon, once in each environment (main thread, worker): the one that was built here, else that of the platform package.
// Guarantees: a missing binary, a library that does not load and one of another ABI version each give an error that says what to do.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { makeError } = require("./errors.js");
const { candidates, missing } = require("./platform.js");
const { version } = require("../package.json");

const BUILT = path.join(__dirname, "..", "build");

/** The folder with tidings.node and the library. */
function folder() {
  if (fs.existsSync(path.join(BUILT, "tidings.node"))) return BUILT;
  for (const name of candidates()) {
    let description;
    try {
      description = require.resolve(`${name}/package.json`);
    } catch {
      continue;
    }
    const found = require(description).version;
    if (found !== version) throw new Error(`tidings ${version} needs ${name} ${version}, and ${found} is installed: npm install ${name}@${version}`);
    return path.dirname(description);
  }
  throw new Error(missing(version));
}

function load(from) {
  try {
    return require(path.join(from, "tidings.node"));
  } catch (cause) {
    throw new Error(`the tidings addon cannot be loaded: ${cause.message}`, { cause });
  }
}

// What the addon calls; mailbox.js fills these in.
const hooks = {
  onBatch: undefined, // (slot, packet) => entries passed
  onReadable: undefined, // (slot)
  onEnded: undefined, // (slot)
};

const binaries = folder();
const native = load(binaries).start(path.join(binaries, "libtidings.so.0"), {
  onBatch: (slot, packet) => hooks.onBatch(slot, packet),
  onReadable: (slot) => hooks.onReadable(slot),
  onEnded: (slot) => hooks.onEnded(slot),
  makeError,
});

module.exports = { native, hooks };
