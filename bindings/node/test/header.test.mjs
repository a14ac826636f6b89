// The header and the binding: every function is called by the addon, or is named here with the reason why Node has no use for it.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { checkoutRoot, packageRoot, require } from "../testing/support.mjs";

const NOT_FOR_NODE = {
  td_version_number: "td_version is the same as text",
  td_log_set: "a sink is called on whatever thread has a line, and JavaScript runs on its own thread only",
  td_mailbox_close: "td_mailbox_exit with reason normal is the same",
  td_mailbox_user: "the pointer is the addon's own",
  td_send: "td_send_ex is the same and never blocks unless it is told to",
  td_send_many: "it blocks on a full mailbox that blocks; sendMany sends one at a time with td_send_ex",
  td_send_name: "it blocks on a full mailbox that blocks; the name is looked up, then td_send_ex",
  td_batch_next: "the frame is read as one buffer",
  td_batch_retain: "the frame is copied into memory of JavaScript's",
  td_loop_deadline: "for hosts that drive the timers; engines of Node have a timer thread",
  td_call: "it blocks its thread",
};

test("every function of the header is bound, or listed with the reason", () => {
  const { functionsOf } = require("../scripts/table.js");
  const declared = functionsOf(readFileSync(path.join(checkoutRoot, "include", "tidings.h"), "utf8"));
  const folder = path.join(packageRoot, "src");
  const sources = readdirSync(folder).filter((name) => name.endsWith(".c")).map((name) => readFileSync(path.join(folder, name), "utf8")).join("");
  const bound = new Set([...sources.matchAll(/\bTD\((\w+)\)/g)].map(([, name]) => `td_${name}`).concat("td_abi_version"));
  assert.deepEqual(declared.filter((name) => !bound.has(name) && !Object.hasOwn(NOT_FOR_NODE, name)), [], "neither bound nor listed");
  assert.deepEqual(Object.keys(NOT_FOR_NODE).filter((name) => bound.has(name) || !declared.includes(name)), [], "listed for nothing");
});
