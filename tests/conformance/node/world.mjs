// What a running scenario knows, and how a step's result is judged.
// Guarantees: only the first failure of a scenario is kept, and it ends the engine so that no other strand of the scenario stays
// waiting; a step without a written outcome must give "ok"; a message's `lost` must be 0 unless the step says otherwise; a report names
// every field that was there.
import { Senders } from "./blocked.mjs";
import { number, span } from "./script.mjs";

const REASONS = ["normal", "killed", "noproc", "callback_failed", "overflow", "engine_closed", "runtime_exit", "os_exit"];
const ERRORS = (
  "TD_EINVAL TD_EBADID TD_ENOPROC TD_ESTALE TD_ECLOSED TD_ENOTFOUND TD_EEXIST TD_EAGAIN TD_ETIMEDOUT TD_EINTR TD_EFULL TD_ETOOBIG " +
  "TD_ENOMEM TD_EDOWN TD_ENOREPLY TD_EDEADLK TD_EFORKED TD_EPANIC TD_ESYS TD_EUNSUPPORTED"
).split(" ");
const STATUSES = { joined: 1, left: 2, started: 3, stopped: 4, retained: 1 };
/** Milliseconds: how long the runner itself waits for anything; how much longer, on the real clock, what is due gets. */
export const OWN_WAIT = 10_000;
export const SLACK = 100;
const OBJECTS = new Set(["from", "ref", "mailbox", "for"]);

/** This strand of the scenario stops here. */
export class Stop extends Error {}

/** A reason or the status of an edge by its word, an error by its name, or a number. */
export function statusOf(text) {
  if (REASONS.includes(text)) return REASONS.indexOf(text);
  if (text in STATUSES) return STATUSES[text];
  return ERRORS.includes(text) ? -1 - ERRORS.indexOf(text) : number(text);
}

/** What a step gave: an outcome word and fields (number, bigint id, or text). */
export const result = (outcome = "ok", fields = {}, message = false, detail = "") => ({ outcome, fields, message, detail });
export const OK = result();

/** What a snapshot says: how many entries, and the members' names or the keys, with a space between. */
export function entries(world, members, keys, count = 0) {
  if (members !== undefined) return { count: members.length, members: members.map(({ id }) => world.nameOf(id)).join(" ") };
  return keys === undefined ? { count } : { count: keys.length, keys: keys.join(" ") };
}

export function resultOfMessage(m, outcome = m.kind, world = undefined) {
  const fields = {
    status: m.status, from: m.from?.id ?? 0n, tag: Number(m.tag), ref: BigInt(m.ref ?? 0), lost: Number(m.lost), size: m.data.length,
    data: Buffer.from(m.data).toString("latin1"), topic: m.topic ?? "",
    info: Number(m.info[0]), more: Number(m.info[1]),
  };
  if (m.kind === "resync") Object.assign(fields, entries(world, m.members, m.keys, m.subscriptions));
  if (m.deadFor !== undefined) fields.for = m.deadFor;
  return result(outcome, fields, true);
}

/** One strand of a scenario, or one run of a handler. */
export class Context {
  constructor(world, vars = {}) {
    this.world = world;
    this.vars = { ...vars };
    this.now = undefined;
    this.tag = undefined; // the tag at hand of a step written for a range of tags
    this.meet = undefined;
    this.handling = undefined;
    this.background = false;
  }
  expand(text) {
    return text.includes("$") ? text.replace(/\$([a-z]+)/g, (all, name) => this.vars[name] ?? all) : text;
  }
  number(text) {
    const n = number(this.expand(text));
    if (n === undefined) this.fail(`  '${text}' is not a number or a time`);
    return n;
  }
  opt(step, key, otherwise) {
    return key in step.opts ? this.number(step.opts[key]) : otherwise;
  }
  slot(name) {
    return this.world.slot(this.expand(name));
  }
  of(name, kind) {
    const slot = this.slot(name);
    if (slot.kind !== kind && slot.name !== "nobody") this.fail(`  '${slot.name}' is ${slot.kind} here, ${kind} is wanted`);
    return slot;
  }
  /** The package's mailbox object; undefined for nobody. */
  mailbox(name) {
    return name === undefined ? undefined : this.of(name, "mailbox").value;
  }
  put(name, kind, value, id = 0n) {
    if (name === undefined) return;
    Object.assign(this.slot(name), { kind, value, id: BigInt(id) });
  }
  fail(text) {
    this.world.failedAt(this.now, text);
    throw new Stop();
  }
  check(step, got) {
    if (step.wants.length === 0 ? this.#holds({ outcome: "ok", fields: [] }, got) : step.wants.some((want) => this.#holds(want, got))) {
      // not an object: the word itself, for `when`
      if (step.name !== undefined && this.slot(step.name).id === 0n) this.put(step.name, "outcome", got.outcome);
      return;
    }
    const wanted = step.wants.length ? step.source.slice(step.source.indexOf("=> ") + 3) : "ok";
    const at = this.tag === undefined ? "" : `   (at tag ${this.tag})`;
    this.fail(`  expected ${wanted}${at}\n  got      ${this.describe(got)}`);
  }
  #holds(want, got) {
    if ((want.outcome ?? "ok") !== got.outcome) return false;
    let lostNamed = !got.message;
    for (const { key, value, contains } of want.fields) {
      if (!(key in got.fields) || !this.#field(key, value, contains, got.fields[key])) return false;
      lostNamed ||= key === "lost";
    }
    return lostNamed || got.fields.lost === 0;
  }
  #field(key, value, contains, got) {
    const text = this.expand(value);
    if (typeof got === "string") return contains ? got.includes(text) : got === text;
    if (OBJECTS.has(key)) return text === "nobody" ? got === 0n : this.slot(text).id !== 0n && got === this.slot(text).id;
    if (key === "status") return got === statusOf(text);
    if (key === "tag" && this.tag !== undefined) return got === this.tag;
    const limits = span(text);
    if (this.world.scenario.byReal && (key === "time" || key === "remaining")) {
      const [low, high] = limits ?? [number(text), number(text)];
      return key === "remaining" ? got >= 0 && got <= high : got >= low && got <= high + 1e6 * OWN_WAIT;
    }
    return limits ? got >= limits[0] && got <= limits[1] : got === number(text);
  }
  describe(got) {
    const parts = [got.outcome];
    for (const [key, value] of Object.entries(got.fields)) {
      if (typeof value === "string") parts.push(`${key}="${value.slice(0, 80)}"`);
      else parts.push(`${key}=${OBJECTS.has(key) ? this.world.nameOf(value) : value}`);
    }
    return parts.join(" ") + (got.detail ? ` (${got.detail})` : "");
  }
}

export class World {
  constructor(scenario) {
    this.scenario = scenario;
    this.slots = new Map();
    this.running = new Set();
    this.kept = []; // requests: letting one go would answer it
    this.waiting = 0; // strands that wait for the library
    this.failed = false;
    this.failure = "";
    this.leaving = false;
    this.engine = undefined;
    this.senders = new Senders();
  }
  slot(name) {
    let slot = this.slots.get(name);
    if (slot === undefined) {
      slot = { name, kind: "unset", value: undefined, id: 0n, rules: [], seen: [], shown: 0 };
      this.slots.set(name, slot);
    }
    return slot;
  }
  nameOf(id) {
    if (id === 0n) return "nobody";
    for (const slot of this.slots.values()) if (slot.id === id) return slot.name;
    return "(unknown)";
  }
  failedAt(step, text) {
    if (this.failed) return;
    this.failed = true;
    this.failure = `${this.scenario.id} scenarios.txt:${step ? `${step.line}: ${step.source}` : "0:"}\n${text}`;
    this.engine.close();
  }
}
