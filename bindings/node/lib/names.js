// The words of the JavaScript interface for the header's numbers.
"use strict";
const { invalid } = require("./errors.js");

const EAGAIN = -8;
const ECLOSED = -5;
const CALL_TIMEOUT = 5000;

/** The header's error codes: TD_EINVAL is -1, and so on. */
const ERROR_NAMES =
  "TD_OK TD_EINVAL TD_EBADID TD_ENOPROC TD_ESTALE TD_ECLOSED TD_ENOTFOUND TD_EEXIST TD_EAGAIN TD_ETIMEDOUT TD_EINTR TD_EFULL TD_ETOOBIG TD_ENOMEM TD_EDOWN TD_ENOREPLY TD_EDEADLK TD_EFORKED TD_EPANIC TD_ESYS TD_EUNSUPPORTED".split(" ");

const KIND = {
  message: 1, request: 2, topic: 3, part: 4, member: 5, interest: 6, presence: 7,
  down: 16, timer: 17, reply: 18, exit: 19, resync: 20, replies: 21, notify: 22,
  end: 32, gap: 33,
};
const KIND_NAMES = [];
for (const [name, number] of Object.entries(KIND)) KIND_NAMES[number] = name;
/** Kinds of which a batch may hold some that were taken back meanwhile: they are claimed. */
const isClaimed = (kind) => kind >= KIND.request && kind < 32; // everything but plain messages, which nothing withdraws
const isSignal = (kind) => kind >= 16 && kind < 32;

const POLICY = { fail: 0, block: 1, drop_new: 2, drop_old: 3, kill: 4, conflate: 5 };

const Reason = Object.freeze({
  NORMAL: 0,
  KILLED: 1,
  NOPROC: 2,
  CALLBACK_FAILED: 3,
  OVERFLOW: 4,
  ENGINE_CLOSED: 5,
  RUNTIME_EXIT: 6,
  OS_EXIT: 7,
  USER: 1024,
});
const REASON_NAMES = ["normal", "killed", "noproc", "callback_failed", "overflow", "engine_closed", "runtime_exit", "os_exit"];

/** The name of the error that a negative status is; undefined for any other. */
const errorName = (status) => (status < 0 ? ERROR_NAMES[-status] : undefined);
const reasonName = (status) => REASON_NAMES[status] ?? (status >= Reason.USER ? `user_${status}` : `reason_${status}`);

const OUTCOME = [undefined, "armed", "flushed", "delivered"];

const MATCH = { KIND: 1, TAG: 2, FROM: 4, REF: 8 };

function pick(table, what, name, fallback) {
  if (name === undefined) return fallback;
  const number = Object.hasOwn(table, name) ? table[name] : undefined;
  if (number === undefined) throw invalid(`${what} must be one of ${Object.keys(table).join(", ")}, not ${String(name)}`);
  return number;
}
const kindNumber = (name) => pick(KIND, "kind", name);
const policyNumber = (name, fallback = POLICY.fail) => pick(POLICY, "policy", name, fallback);

function reasonNumber(reason) {
  if (reason === undefined) return Reason.NORMAL;
  if (typeof reason === "number") return reason;
  const number = REASON_NAMES.indexOf(reason);
  if (number < 0) throw invalid(`reason must be a number or one of ${REASON_NAMES.join(", ")}, not ${String(reason)}`);
  return number;
}

module.exports = {
  CALL_TIMEOUT, EAGAIN, ECLOSED, ERROR_NAMES, KIND, KIND_NAMES, MATCH, OUTCOME, POLICY, Reason, errorName, isClaimed, isSignal, kindNumber, policyNumber, reasonName, reasonNumber,
};
