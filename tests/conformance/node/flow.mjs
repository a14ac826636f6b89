// Blocks, strands, handlers and time: what runs steps, and when. A `thread` of a scenario is a strand here, an async function on Node's one
// thread; that is how a Node program runs things side by side.
// Guarantees: a step that fails stops its strand at once and the scenario soon; strands of a `together` block end before it does; a wait of
// the runner's own has a deadline of ten seconds, and the watchdog of runner.mjs ends what is stuck inside the library.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { Context, OK, OWN_WAIT, SLACK, Stop, result, resultOfMessage } from "./world.mjs";

/** One turn of the event loop. */
export const turn = () => new Promise((done) => setImmediate(done));
const pause = (ms, c) =>
  new Promise((done) => {
    const timer = setTimeout(done, ms);
    if (c.background) timer.unref();
  });

/** Marks a strand as waiting for the library while the promise is open: what `parked` counts. */
export async function waiting(c, promise) {
  c.world.waiting++;
  try {
    return await promise;
  } finally {
    c.world.waiting--;
  }
}

/** The tags a step is written for: of what it sends, or of what it expects. -many takes the range whole. */
export function rangeOf(step) {
  if (["send", "send-name", "publish"].includes(step.verb)) return step.args[1];
  if (step.wants.length === 1) return step.wants[0].fields.find((field) => field.key === "tag")?.value ?? "";
  return "";
}

/** Runs steps; a promise only once one of them has to wait, so that handlers run as handlers do. */
export function runBlock(c, steps, from = 0) {
  for (let i = from; i < steps.length; i++) {
    const step = steps[i];
    c.now = step;
    const going = step.run(c, step);
    if (typeof going?.then === "function") return going.then(() => rest(c, steps, i + 1));
    stopIfOver(c);
  }
}

function rest(c, steps, from) {
  stopIfOver(c);
  return runBlock(c, steps, from);
}

function stopIfOver({ world }) {
  if (world.failed || world.leaving) throw new Stop();
}

// ---- blocks

export async function repeat(c, step) {
  const count = c.number(step.args[0]);
  for (let i = 1; i <= count; i++) {
    if (step.name !== undefined) c.vars[step.name] = i;
    const going = runBlock(c, step.child);
    if (going) await going;
  }
}

export async function forever(c, step) {
  for (;;) await runBlock(c, step.child);
}

async function strand(c, step, meet, background) {
  const mine = new Context(c.world, c.vars);
  mine.meet = meet;
  mine.background = background;
  c.world.running.add(mine);
  try {
    await runBlock(mine, step.child);
  } catch (error) {
    if (!(error instanceof Stop)) c.world.failedAt(mine.now, `  got      ${error?.stack ?? error}`); // never silent
  } finally {
    c.world.running.delete(mine);
    if (meet !== undefined) meet.over++;
  }
}

export async function together(c, step) {
  let arrived = [];
  const meet = () =>
    new Promise((done) => {
      arrived.push(done);
      if (arrived.length < step.child.length) return;
      const all = arrived;
      arrived = [];
      for (const go of all) go();
    });
  meet.over = 0; // strands that have ended
  // The strands of a block start in the order they are written.
  const strands = step.child.map((thread) => strand(c, thread, meet, false));
  const broken = (async () => {
    while (!c.world.failed) await pause(20, { background: true });
  })();
  await Promise.race([Promise.all(strands), broken]);
}

export function background(c, step) {
  strand(c, step, undefined, true);
}

/** Whether the steps of these names gave these words. */
const gave = (c, step) => Object.entries(step.opts).every(([name, word]) => c.of(name, "outcome").value === word);

/** when X=WORD: the block runs if the step before, named X, gave WORD. */
export function when(c, step) {
  if (gave(c, step)) return runBlock(c, step.child);
}

/** until X=WORD: the block runs again and again, until its step named X has given WORD. */
export async function until(c, step) {
  const deadline = performance.now() + OWN_WAIT;
  for (;;) {
    await runBlock(c, step.child);
    if (gave(c, step)) return;
    c.now = step;
    if (performance.now() > deadline) c.fail("  it did not come to that in time");
    await pause(1, c);
  }
}

export function meet(c) {
  if (c.meet === undefined) c.fail("  meet stands inside a 'together' block only");
  return c.meet();
}

// ---- handlers

/** The handler of every `open ... loop=`: notes each message, runs the first `on` block that fits it. */
export function handlerOf(c, slot) {
  return (m) => {
    slot.seen.push(resultOfMessage(m, m.kind, c.world));
    if (m.kind === "request") c.world.kept.push(m);
    const mine = new Context(c.world, { tag: m.tag });
    mine.handling = slot;
    const fits = ({ opts }) => (opts.kind ?? m.kind) === m.kind && (!("tag" in opts) || mine.number(opts.tag) === Number(m.tag));
    const rule = slot.rules.find(fits);
    if (rule === undefined) return undefined;
    if (m.kind === "request") mine.put(rule.name, "ticket", m, m.ref);
    c.world.running.add(mine);
    const over = () => void c.world.running.delete(mine);
    const failed = (error) => {
      over();
      if (!(error instanceof Stop)) throw error;
    };
    try {
      const going = runBlock(mine, rule.child);
      if (going) return going.then(over, failed);
      return over();
    } catch (error) {
      return failed(error);
    }
  };
}

export function on(c, step) {
  c.of(step.args[0], "mailbox").rules.push(step);
  return OK;
}

/** What `throw` throws. */
export class Thrown extends Error {}

export function throwIt(c, step) {
  if (c.handling === undefined) c.fail("  throw stands inside an 'on' block only");
  throw new Thrown(step.args[0]);
}

/** The oldest message the handler was given and no `seen` has shown yet. */
export function seen(c, step) {
  const slot = c.of(step.args[0], "mailbox");
  return slot.shown === slot.seen.length ? result("nothing") : slot.seen[slot.shown++];
}

/** run L until seen H N | run L until ended H */
export async function run(c, step) {
  c.of(step.args[0], "loop");
  const h = c.of(step.args[3], "mailbox");
  const want = step.args.length > 4 ? c.number(step.args[4]) : 0;
  const until = performance.now() + OWN_WAIT;
  const done = () => (step.args[2] === "seen" ? h.seen.length >= want : !h.value.stats().open);
  while (!done() && !c.world.failed) {
    if (performance.now() > until) return result("waited-in-vain", { seen: h.seen.length });
    await turn();
  }
  return OK;
}

// ---- time

export async function sleep(c, step) {
  await pause(Math.max(1, c.number(step.args[0]) / 1e6), c);
  return OK;
}

export async function advance(c, step) {
  if (c.world.scenario.byReal) await pause(c.number(step.args[0]) / 1e6 + SLACK, c);
  else c.world.engine.advance(c.number(step.args[0]) / 1e6);
  return OK;
}

/** Until so many strands wait. A few turns first: who was just woken is to go on before it is counted. */
export async function parked(c, step) {
  const want = c.number(step.args[0]);
  const until = performance.now() + OWN_WAIT;
  const over = () => (c.world.scenario.byReal ? (c.meet?.over ?? 0) : 0); // a short wait may be over by now
  for (let turns = 0; turns < 8 || c.world.waiting + over() < want; turns++) {
    if (performance.now() > until) return result("TD_ETIMEDOUT", { waiting: c.world.waiting });
    if (c.world.failed) return OK;
    await turn();
  }
  if (c.world.scenario.byReal) await pause(SLACK, c);
  else if (c.world.senders.busy > 0) await c.world.engine.parked(c.world.senders.busy, { timeout: OWN_WAIT });
  return OK;
}

// ---- other processes

export function leave(c) {
  c.world.leaving = true;
  return OK;
}

function child(id) {
  return new Promise((done) => {
    const runner = fileURLToPath(new URL("../runner.mjs", import.meta.url));
    const process_ = spawn(process.execPath, [runner, "--child", id], { stdio: "inherit" });
    let status = 0;
    const timer = setTimeout(() => {
      status = 124;
      process_.kill("SIGKILL");
    }, 2 * OWN_WAIT);
    process_.on("exit", (code, signal) => {
      clearTimeout(timer);
      done(status || (signal ? `signal ${signal}` : code));
    });
  });
}

/** children ID node=N at-once=K: this program runs scenario ID in N processes, K at a time. status: the first that is not 0; 124 for one
 *  that had to be ended. */
export async function children(c, step) {
  const count = c.opt(step, "node", 1);
  let started = 0;
  let clean = 0;
  let worst = 0;
  const lane = async () => {
    while (started < count) {
      started++;
      const status = await child(step.args[0]);
      if (status === 0) clean++;
      else worst ||= status;
    }
  };
  await Promise.all(Array.from({ length: c.opt(step, "at-once", 1) }, lane));
  return result("ok", { status: worst, clean, started });
}
