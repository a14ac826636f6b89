// The one error class of the package.
// Guarantees: every failure that comes from the library has the library's code ("TD_EFULL") and its own words.
"use strict";
const { inspect } = require("node:util");
const { withdrawals } = require("./turns.js");

class TidingsError extends Error {
  constructor(code, text, errno) {
    super(`${text} (${code})`);
    this.code = code;
    this.errno = errno;
  }
  get name() {
    return "TidingsError";
  }
}

// The other side answered a call with message.replyError(status, data).
class ReplyError extends TidingsError {
  constructor(status, data) {
    const text = data.length ? `: ${Buffer.from(data.buffer, data.byteOffset, data.length).toString()}` : "";
    super("REPLY_ERROR", `the call was answered with error status ${status}${text}`, status);
    this.status = status;
    this.data = data;
  }
  get name() {
    return "ReplyError";
  }
}

/** Called by the addon. A full mailbox may have ended, and others with it. */
function makeError(code, errno, text) {
  if (code === "TD_EFULL") withdrawals.count++;
  return new TidingsError(code, text, errno);
}

const invalid = (text) => new TidingsError("TD_EINVAL", text, -1);
const NONE = Object.freeze({});

/** What a method was given as options. Anything else in their place, a name, a tag or a time, would be passed over without a word. */
function optionsOf(options) {
  if (options === undefined) return NONE;
  if (typeof options !== "object" || options === null) throw invalid(`options must be an object, not ${inspect(options)}`);
  return options;
}

const closed = () => new TidingsError("TD_ECLOSED", "the mailbox is over", -5);
const late = (what) => new TidingsError("TD_ETIMEDOUT", `${what}: not in time`, -9);

module.exports = { TidingsError, ReplyError, makeError, invalid, closed, late, optionsOf };
