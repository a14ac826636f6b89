/**
 * Erlang's mailboxes, monitors, names, timers and topics in Node, in the same engine that C and Python in this process use.
 *
 * Times are milliseconds, fractions allowed. Ids are 64-bit: `bigint`. Tags go in as numbers or bigints and come out as numbers up to
 * `Number.MAX_SAFE_INTEGER`, as bigints beyond. Nothing here blocks the thread unless it says so, and nothing keeps the process alive
 * unless it says so.
 */

export * from "./types/values.js";
export * from "./types/errors.js";
export * from "./types/message.js";
export * from "./types/lifecycle.js";
export * from "./types/address.js";
export * from "./types/mailbox.js";
export * from "./types/server.js";
export * from "./types/engine.js";
export * from "./types/looking.js";
