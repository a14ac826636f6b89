// The verbs that touch the package: mailboxes, monitors, names, timers, topics, time; the others are in the files beside this one.
// Each makes one call of the package (or, for `collect`, `gather` and `batch`, one kind of call many times) and hands over what came of it;
// it judges nothing. The package's milliseconds are turned into the language's nanoseconds here.
import * as tidings from "./tidings.mjs";
import { OK, OWN_WAIT, result, resultOfMessage, statusOf } from "./world.mjs";
import { handlerOf, turn, waiting } from "./flow.mjs";
import { span } from "./script.mjs";

export const ms = (ns) => (ns === Infinity ? Infinity : ns / 1e6);
const ns = (milliseconds) => Math.round(milliseconds * 1e6);
export const sender = (c, step) => c.mailbox(step.opts.from);

// ---- mailboxes

export function open(c, step) {
  const slot = c.slot(step.args[0]);
  const options = { policy: step.opts.policy, maxMessages: c.opt(step, "bound", 0), maxBytes: c.opt(step, "bytes", 0) };
  options.notifiable = c.opt(step, "notifiable", 0) === 1;
  slot.blockTimeout = step.opts.policy === "block" ? ms(c.opt(step, "timeout", Infinity)) : undefined;
  if (slot.blockTimeout !== undefined) options.blockTimeout = slot.blockTimeout;
  slot.bound = options.maxMessages || 65536;
  if ("name" in step.opts) options.name = c.expand(step.opts.name);
  if ("loop" in step.opts) {
    c.of(step.opts.loop, "loop");
    Object.assign(slot, { rules: [], seen: [], shown: 0 });
    options.handler = handlerOf(c, slot);
  }
  const world = "engine" in step.opts ? c.of(step.opts.engine, "engine").value : c.world.engine;
  const box = world.mailbox(options);
  c.put(step.args[0], "mailbox", box, box.id);
  return OK;
}

export function close(c, step) {
  c.mailbox(step.args[0]).close();
  return OK;
}

export function exit(c, step) {
  c.mailbox(step.args[0]).exit(statusOf(step.opts.status ?? "normal"), step.opts.data);
  return OK;
}

export function kill(c, step) {
  c.mailbox(step.args[0]).kill();
  return OK;
}

export function suspend(c, step) {
  c.mailbox(step.args[0]).suspend();
  return OK;
}

export function resume(c, step) {
  c.mailbox(step.args[0]).resume();
  return OK;
}

/** In this package waiting is a promise's, which nothing refuses; with a time of 0 it is a look. */
export function wait(c, step) {
  const box = c.mailbox(step.args[0]);
  const timeout = ms(c.opt(step, "timeout", 0));
  if (timeout === 0) return result(box.stats().open ? "TD_EAGAIN" : "ok");
  return waiting(c, box.ended({ timeout })).then(() => OK);
}

// ---- send

/** data=TEXT, or size=N bytes counting up. */
export function payload(c, step) {
  if (!("size" in step.opts)) return "data" in step.opts ? c.expand(step.opts.data) : undefined;
  return Uint8Array.from({ length: c.opt(step, "size", 0) }, (_, i) => i);
}

const tagOf = (c, step) => c.tag ?? c.number(step.args[1]);

/** A send to a mailbox that blocks says here how long it waits: in this package a send does not wait unless it is told to. One that has to
 *  wait is made in a thread of its own, so that this one can go on; in a handler it is made here, where it must be refused. */
export function send(c, step) {
  const slot = c.of(step.args[0], "mailbox");
  const timeout = "timeout" in step.opts ? ms(c.opt(step, "timeout", 0)) : slot.blockTimeout;
  const options = { tag: tagOf(c, step), from: sender(c, step), timeout };
  const data = payload(c, step);
  const waits = slot.blockTimeout !== undefined && timeout > 0 && c.handling === undefined && noRoom(slot, data?.length ?? 0);
  if (waits) return waiting(c, c.world.senders.send(slot.value.engine, slot.value, data, options)).then(() => OK);
  slot.value.send(data, options);
  return OK;
}

function noRoom({ value, bound }, size) {
  const { queuedBytes, maxBytes } = value.engine.stats();
  return value.stats().queued >= bound || queuedBytes + size > maxBytes;
}

/** send-many M A..B: one call; how many were accepted. */
export function sendMany(c, step) {
  return result("ok", { count: c.mailbox(step.args[0]).sendMany(itemsOf(step), { from: sender(c, step) }) });
}

function itemsOf(step) {
  const [low, high] = span(step.args[1]) ?? [0, -1];
  return Array.from({ length: high - low + 1 }, (_, i) => ({ tag: low + i, data: "" }));
}

export function sendName(c, step) {
  c.world.engine.send(c.expand(step.args[0]), payload(c, step), { tag: tagOf(c, step), from: sender(c, step) });
  return OK;
}

// ---- receive

function matchOf(c, step) {
  const match = {};
  if ("kind" in step.opts) match.kind = step.opts.kind;
  if ("tag" in step.opts) match.tag = c.opt(step, "tag", 0);
  if ("mask" in step.opts) match.tagMask = c.opt(step, "mask", 0);
  if ("from" in step.opts) match.from = c.mailbox(step.opts.from);
  if ("ref" in step.opts) match.ref = c.slot(step.opts.ref).id;
  return match;
}

export function took(c, step, m) {
  if (m === undefined) return result("TD_EAGAIN");
  if (m.kind === "request") {
    c.world.kept.push(m);
    c.put(step.name, "ticket", m, m.ref);
  }
  return resultOfMessage(m, m.kind, c.world);
}

export function recv(c, step) {
  const box = c.mailbox(step.args[0]);
  const match = matchOf(c, step);
  // What the virtual clock brings in the same instant, the real one brings a little later: a message that must come is waited for.
  const mustCome =
    c.world.scenario.byReal && c.handling === undefined && step.wants.length > 0 && !step.wants.some(({ outcome }) => outcome?.startsWith("TD_"));
  const timeout = ms(c.opt(step, "timeout", mustCome ? OWN_WAIT * 1e6 : 0));
  if (timeout === 0) return took(c, step, box.tryRecv(match));
  return waiting(c, box.recv({ ...match, timeout })).then((m) => took(c, step, m));
}

export function pick(c, step) {
  const n = c.opt(step, "multiple", 1);
  return took(c, step, c.mailbox(step.args[0]).tryRecv({ predicate: (m) => Number(m.tag) % n === 0 }));
}

/** Reads by native batches until `take` messages are read or nothing is left; the rest goes back. */
export async function batch(c, step) {
  const box = c.mailbox(step.args[0]);
  const take = Math.min(c.opt(step, "take", Infinity), box.stats().queued);
  if (take === 0) return took(c, step, box.tryRecv());
  const reader = box[Symbol.asyncIterator]();
  const tags = [];
  let lost = 0;
  while (tags.length < take) {
    const { value, done } = await reader.next();
    if (done) return result("TD_ECLOSED");
    tags.push(Number(value.tag));
    lost += value.lost;
  }
  await reader.return();
  const kept = tags.every((tag, i) => i === 0 || tag === tags[i - 1] + 1);
  return result("ok", { count: tags.length, first: tags[0], last: tags.at(-1), lost, order: kept ? "kept" : "broken" });
}

/** collect M N: takes N messages, waiting for each; says whether each sender's tags counted up by one ("kept"), up ("rising") or not
 *  ("broken"), how many were lost, whether any ref came twice. by=fd is how this package waits anyway. */
export async function collect(c, step) {
  const box = c.mailbox(step.args[0]);
  const want = c.number(step.args[1]);
  const match = matchOf(c, step);
  const last = new Map();
  const refs = new Set();
  let [got, lost, kept, rising] = [0, 0, true, true];
  while (got < want) {
    const m = box.tryRecv(match) ?? (await waiting(c, box.recv(match)));
    const tag = Number(m.tag);
    const part = Math.floor(tag / 1e6);
    const stream = `${m.from?.id ?? 0n} ${part}`;
    const before = last.get(stream) ?? part * 1e6;
    kept &&= tag === before + 1;
    rising &&= tag > before;
    last.set(stream, tag);
    refs.add(m.ref);
    lost += Number(m.lost);
    got++;
  }
  const order = kept ? "kept" : rising ? "rising" : "broken";
  return result("ok", { count: got, lost, order, refs: refs.size === got ? "distinct" : "repeated" });
}

export function fd(c, step) {
  return result(c.mailbox(step.args[0]).readable ? "readable" : "quiet");
}

/** gather M BAG N: several strands take from M into one bag until N are in it, or M ends. */
export async function gather(c, step) {
  const box = c.mailbox(step.args[0]);
  const bag = c.slot(step.args[1]);
  const want = c.number(step.args[2]);
  if (bag.kind !== "bag") Object.assign(bag, { kind: "bag", value: [] });
  while (bag.value.length < want) {
    try {
      bag.value.push((await box.recv({ timeout: 20 })).tag);
    } catch (error) {
      if (error.code !== "TD_ETIMEDOUT") throw error;
    }
  }
  return OK;
}

export function bag(c, step) {
  const tags = c.of(step.args[0], "bag").value;
  if (tags.length === 0) return result("empty");
  const sorted = Float64Array.from(tags).sort();
  const each = new Set(tags).size === tags.length ? "once" : "repeated";
  return result("ok", { count: tags.length, first: sorted[0], last: sorted.at(-1), each });
}

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

export function stats(c, step) {
  const slot = c.slot(step.args[0]);
  const { open: isOpen, reason, ...counters } = slot.kind === "engine" ? slot.value.stats() : c.mailbox(step.args[0]).stats();
  const fields = Object.fromEntries(Object.entries(counters).map(([name, value]) => [kebab(name), Number(value)]));
  if (slot.kind === "mailbox") Object.assign(fields, { state: isOpen ? "open" : "ended", status: reason ?? 0 });
  return result("ok", fields);
}

// ---- links, monitors and names

export function link(c, step) {
  c.mailbox(step.args[0]).link(c.mailbox(step.args[1]));
  return OK;
}

export function unlink(c, step) {
  c.mailbox(step.args[0]).unlink(c.mailbox(step.args[1]));
  return OK;
}

export function trap(c, step) {
  c.mailbox(step.args[0]).trapExit(step.args[1] === "on");
  return OK;
}

export function notify(c, step) {
  c.mailbox(step.args[0]).notify(c.number(step.args[1]));
  return OK;
}

/** repeat:300 is a text of 300 letters. */
export function textOf(c, word) {
  const text = c.expand(word);
  return text.startsWith("repeat:") ? "x".repeat(Number(text.slice(7))) : text;
}

export function monitor(c, step) {
  const made = c.mailbox(step.args[0]).monitor(c.mailbox(step.args[1]), { tag: c.opt(step, "tag", 0), receipt: "receipt" in step.opts });
  c.put(step.name, "monitor", made, made.id);
  return OK;
}

export function monitorName(c, step) {
  const made = c.mailbox(step.args[0]).monitor(textOf(c, step.args[1]), { tag: c.opt(step, "tag", 0) });
  c.put(step.name, "monitor", made, made.id);
  return OK;
}

export function demonitor(c, step) {
  return result(c.of(step.args[0], "monitor").value.demonitor({ flush: step.args[1] === "flush" }) ?? "TD_ESTALE");
}

export function register(c, step) {
  c.world.engine.register(textOf(c, step.args[1]), c.mailbox(step.args[0]));
  return OK;
}

export function replace(c, step) {
  const previous = c.world.engine.registerReplace(textOf(c, step.args[1]), c.mailbox(step.args[0]));
  return result("ok", { mailbox: previous?.id ?? 0n });
}

export function unregister(c, step) {
  c.world.engine.unregister(textOf(c, step.args[0]));
  return OK;
}

export function whereis(c, step) {
  const found = c.world.engine.whereis(textOf(c, step.args[0]));
  return found === undefined ? result("TD_ENOTFOUND") : result("ok", { mailbox: found.id });
}

// ---- timers

function armed(c, step, timer_) {
  c.put(step.name, "timer", timer_, timer_.id);
  return OK;
}

export function after(c, step) {
  const [delay, tag] = [c.number(step.args[1]) / 1e6, c.number(step.args[2])];
  return armed(c, step, c.world.engine.sendAfter(c.mailbox(step.args[0]), delay, payload(c, step), { tag }));
}

export function afterName(c, step) {
  const [delay, tag] = [c.number(step.args[1]) / 1e6, c.number(step.args[2])];
  return armed(c, step, c.world.engine.sendAfter(textOf(c, step.args[0]), delay, payload(c, step), { tag }));
}

export function every(c, step) {
  const [period, tag] = [c.number(step.args[1]) / 1e6, c.number(step.args[2])];
  return armed(c, step, c.world.engine.sendEvery(c.mailbox(step.args[0]), period, payload(c, step), { tag }));
}

const remaining = (left) => (left === undefined ? result("TD_ESTALE") : result("ok", { remaining: ns(left) }));
export const cancel = (c, step) => remaining(c.of(step.args[0], "timer").value.cancel());
export const timer = (c, step) => remaining(c.of(step.args[0], "timer").value.read());

// ---- topics

export function subscribe(c, step) {
  const options = { maxMessages: c.opt(step, "bound", 0), policy: step.opts.policy };
  if ("group" in step.opts) options.queueGroup = textOf(c, step.opts.group);
  const made = c.mailbox(step.args[0]).subscribe(textOf(c, step.args[1]), options);
  c.put(step.name, "subscription", made, made.id);
  return OK;
}

export function unsubscribe(c, step) {
  c.of(step.args[0], "subscription").value.unsubscribe({ flush: step.args[1] === "flush" });
  return OK;
}

export function publish(c, step) {
  return result("ok", c.world.engine.publish(textOf(c, step.args[0]), payload(c, step), { tag: tagOf(c, step), from: sender(c, step), retain: "retain" in step.opts }));
}

export function publishMany(c, step) {
  return result("ok", c.world.engine.publishMany(textOf(c, step.args[0]), itemsOf(step), { from: sender(c, step) }));
}

// ---- looking

const shown = (text) => result("ok", { data: text, size: Buffer.byteLength(text) });
export const inspect = (c, step) => shown(JSON.stringify(c.of(step.args[0], "engine").value.inspect()));
export const explain = (c, step) => shown(tidings.explain(c.slot(step.args[0]).id).text);
export const dump = () => shown(tidings.recorder().text);

// ---- loops and time

/** The event loop is the loop; the name stands for it. */
export function loop(c, step) {
  c.put(step.args[0], "loop", c.world.engine, 1n << 64n);
  return OK;
}

export function stopwatch(c, step) {
  c.put(step.args[0], "stopwatch", ns(c.world.engine.now()));
  return OK;
}

export function elapsed(c, step) {
  return result("ok", { time: ns(c.world.engine.now()) - c.of(step.args[0], "stopwatch").value });
}

