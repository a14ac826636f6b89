// Runs scenarios.txt through the Node package `tidings`.
// Guarantees: each scenario has an engine of its own; each of its mailboxes must satisfy the equation of rule 4 at the end; what hangs is
// ended by the watchdog and counts as failed. Arguments: ids to run (C3 also runs C3.real and C3.virtual); none: all.
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Engine, TidingsError } from "./node/tidings.mjs";
import { Context, Stop, World, result } from "./node/world.mjs";
import { Refused, read, refuse, span } from "./node/script.mjs";
import * as calling from "./node/calling.mjs";
import * as engines from "./node/engines.mjs";
import * as flow from "./node/flow.mjs";
import * as fuzz from "./node/fuzz.mjs";
import * as processes from "./node/processes.mjs";
import * as verbs from "./node/verbs.mjs";
import * as watching from "./node/watching.mjs";

const SCENARIO_SECONDS = 120;
const MAX_WORDS = 10; // of a step, as in C
const MATCH = "kind tag mask from ref timeout";

// verb: words before the options (least, most), options, the function. No function: Node has no such thing (see `not node:`).
const VERBS = {
  engine: [1, 1, "workers budget", engines.engine],
  "close-engine": [1, 1, "", engines.closeEngine],
  drain: [1, 1, "timeout", engines.drain],
  open: [1, 1, "policy bound bytes timeout name loop engine notifiable workers bound-to", verbs.open],
  close: [1, 1, "", verbs.close],
  exit: [1, 1, "status data", verbs.exit],
  kill: [1, 1, "", verbs.kill],
  suspend: [1, 1, "", verbs.suspend],
  resume: [1, 1, "", verbs.resume],
  wait: [1, 1, "timeout", verbs.wait],
  send: [2, 2, "from data size timeout", verbs.send],
  "send-many": [2, 2, "from", verbs.sendMany],
  "send-name": [2, 2, "from data size", verbs.sendName],
  recv: [1, 1, MATCH, verbs.recv],
  pick: [1, 1, "multiple", verbs.pick],
  batch: [1, 1, "take", verbs.batch],
  collect: [2, 2, `by ${MATCH}`, verbs.collect],
  gather: [3, 3, "", verbs.gather],
  bag: [1, 1, "", verbs.bag],
  fd: [1, 1, "", verbs.fd],
  stats: [1, 1, "", verbs.stats],
  link: [2, 2, "", verbs.link],
  unlink: [2, 2, "", verbs.unlink],
  trap: [2, 2, "", verbs.trap],
  notify: [2, 2, "", verbs.notify],
  monitor: [2, 2, "tag receipt", verbs.monitor],
  process: [1, 1, "", processes.start],
  "monitor-process": [2, 2, "tag", processes.monitor],
  "end-process": [1, 1, "code signal", processes.end],
  reap: [1, 1, "", processes.reap],
  "monitor-name": [2, 2, "tag", verbs.monitorName],
  demonitor: [1, 2, "", verbs.demonitor],
  register: [2, 2, "", verbs.register],
  replace: [2, 2, "", verbs.replace],
  unregister: [1, 1, "", verbs.unregister],
  whereis: [1, 1, "", verbs.whereis],
  after: [3, 3, "data", verbs.after],
  "after-name": [3, 3, "data", verbs.afterName],
  every: [3, 3, "data", verbs.every],
  cancel: [1, 1, "", verbs.cancel],
  timer: [1, 1, "", verbs.timer],
  call: [2, 2, "from data timeout", calling.call],
  ask: [2, 2, "from data timeout", calling.ask],
  "ask-many": [1, MAX_WORDS, "from data timeout", calling.askMany],
  "give-up": [1, 1, "", calling.giveUp],
  reply: [1, 1, "data status", calling.reply],
  "reply-part": [1, 1, "data size timeout", calling.replyPart],
  "reply-end": [1, 1, "", calling.replyEnd],
  drop: [1, 1, "", calling.drop],
  forward: [2, 2, "from timeout", calling.forward],
  subscribe: [2, 2, "policy bound group", verbs.subscribe],
  unsubscribe: [1, 2, "", verbs.unsubscribe],
  publish: [2, 2, "from data size retain", verbs.publish],
  will: [3, 3, "data retain", watching.will],
  "clear-will": [1, 1, "", watching.clearWill],
  join: [2, 2, "", watching.join],
  part: [2, 2, "", watching.part],
  members: [1, 1, "", watching.members],
  watch: [2, 2, "tag", watching.watch],
  enter: [3, 3, "grace", watching.enter],
  depart: [3, 3, "", watching.depart],
  keys: [1, 1, "", watching.keys],
  "watch-keys": [2, 2, "tag", watching.watchKeys],
  interest: [2, 2, "tag", watching.interest],
  unwatch: [1, 2, "", watching.unwatch],
  "await-seen": [2, 2, ""],
  "publish-many": [2, 2, "from", verbs.publishMany],
  loop: [1, 1, "budget", verbs.loop],
  "close-loop": [1, 1, ""],
  run: [4, 5, "", flow.run],
  on: [1, 1, "kind tag", flow.on],
  throw: [1, 1, "", flow.throwIt],
  seen: [1, 1, "", flow.seen],
  inspect: [1, 1, "", verbs.inspect],
  explain: [1, 1, "", verbs.explain],
  dump: [0, 0, "", verbs.dump],
  stopwatch: [1, 1, "", verbs.stopwatch],
  elapsed: [1, 1, "", verbs.elapsed],
  advance: [1, 1, "", flow.advance],
  parked: [1, 1, "", flow.parked],
  sleep: [1, 1, "", flow.sleep],
  "fuzz-fd": [2, 2, "seed", fuzz.fuzzFd],
  "fuzz-ids": [1, 1, "seed", fuzz.fuzzIds],
  children: [1, 1, "c python node at-once", flow.children],
  leave: [0, 0, "", flow.leave],
};
const BLOCKS = {
  repeat: [1, 1, "", flow.repeat],
  forever: [0, 0, "", flow.forever],
  together: [0, 0, "", flow.together],
  thread: [0, 0, ""],
  background: [0, 0, "", flow.background],
  when: [0, 0, "*", flow.when],
  until: [0, 0, "*", flow.until],
  meet: [0, 0, "", flow.meet],
};

/** A verb as a step: its outcome judged, once or for each tag of its range; a promise only when the verb waits. */
function stepsOf(verb, range) {
  const failure = (error) => {
    if (error instanceof TidingsError) return result(error.code, {}, false, error.message);
    throw error;
  };
  const once = (c, step) => {
    let got;
    try {
      got = verb(c, step);
    } catch (error) {
      got = failure(error);
    }
    if (typeof got?.then === "function") return got.catch(failure).then((settled) => c.check(step, settled));
    return c.check(step, got);
  };
  if (range === undefined) return once;
  const from = (c, step, first) => {
    for (let tag = first; tag <= range[1] && !c.world.failed; tag++) {
      c.tag = tag;
      const going = once(c, step) ?? (tag % 1000 === 0 && c.handling === undefined ? flow.turn() : undefined); // others get their turn
      if (going) return going.then(() => from(c, step, tag + 1));
    }
    c.tag = undefined;
  };
  return (c, step) => from(c, step, range[0]);
}

/** A step that would silently mean less than it says is refused before anything runs. */
function vet(steps) {
  for (const step of steps) {
    const entry = VERBS[step.verb] ?? BLOCKS[step.verb] ?? refuse(step.line, "no such verb", step.verb);
    const [least, most, options, run] = entry;
    if (step.args.length < least || step.args.length > most) refuse(step.line, "too few or too many words", step.source);
    for (const key of Object.keys(step.opts))
      if (options !== "*" && !options.split(" ").includes(key)) refuse(step.line, "no such option of this verb", key);
    if (run === undefined && step.verb !== "thread")
      refuse(step.line, "Node has no such verb: say 'not node: why' in the scenario's first line", step.verb);
    step.run = step.verb in VERBS && run !== undefined ? stepsOf(run, span(flow.rangeOf(step))) : run;
    if (step.verb === "together")
      for (const { line, verb, source } of step.child)
        if (verb !== "thread") refuse(line, "a 'together' block holds threads only", source);
    vet(step.verb === "together" ? step.child.flatMap((thread) => thread.child) : step.child);
  }
}

/** Rule 4: sent = delivered + lost + conflated + flushed + expired + discarded + queued, for every mailbox of the scenario. */
function balance(c) {
  for (const { kind, name, value } of c.world.slots.values()) {
    if (kind !== "mailbox") continue;
    let n;
    try {
      n = value.stats();
    } catch (error) {
      if (error instanceof TidingsError) continue; // ended too long ago
      throw error;
    }
    const parts = [n.delivered, n.lost, n.conflated, n.flushed, n.expired, n.discarded, n.queued];
    if (n.sent === parts.reduce((a, b) => a + b)) continue;
    c.now = undefined;
    c.fail(
      `  expected of '${name}': sent = delivered + lost + conflated + flushed + expired + discarded + queued\n  got      ${n.sent} = ${parts.join(" + ")}`,
    );
  }
}

// A thread of its own, since a native call that hangs would stop any timer here. It is told: until when, the line, how many passed, how many
// there are; it ends the process.
const told = new BigInt64Array(new SharedArrayBuffer(32));
const NEVER = 2n ** 62n;
const WATCHDOG = `
  const { workerData: { told, pid, seconds, ids } } = require("node:worker_threads");
  const { writeSync } = require("node:fs");
  setInterval(() => {
    if (process.hrtime.bigint() < Atomics.load(told, 0)) return;
    const passed = Number(Atomics.load(told, 2)), selected = Number(Atomics.load(told, 3));
    writeSync(1, "FAIL " + ids[Number(Atomics.load(told, 1))] + ": not over after " + seconds + " s, stuck inside one call\\n" +
      passed + " passed, " + (selected - passed) + " failed\\n");
    process.kill(pid, "SIGKILL");
  }, 100);`;

function startWatchdog(ids) {
  Atomics.store(told, 0, NEVER);
  const workerData = { told, pid: process.pid, seconds: SCENARIO_SECONDS + 10, ids };
  new Worker(WATCHDOG, { eval: true, workerData }).unref();
}

/** Runs one scenario; true when all of it held. */
async function runScenario(sc, onStuck) {
  const world = new World(sc);
  world.engine = new Engine({ virtualClock: sc.virtualClock });
  const c = new Context(world);
  c.put("engine", "engine", world.engine, world.engine.id);
  world.running.add(c);
  Atomics.store(told, 0, process.hrtime.bigint() + BigInt(SCENARIO_SECONDS + 10) * 1_000_000_000n);
  const late = setTimeout(() => onStuck(world), SCENARIO_SECONDS * 1000); // also keeps the process alive while strands wait
  try {
    await flow.runBlock(c, sc.steps);
    balance(c);
  } catch (error) {
    if (!(error instanceof Stop)) world.failedAt(c.now, `  got      ${error?.stack ?? error}`); // never silent
  }
  clearTimeout(late);
  Atomics.store(told, 0, NEVER);
  await world.senders.end();
  if (!world.leaving) {
    world.engine.close();
    for (const { kind, value } of world.slots.values()) if (kind === "engine") value.close();
  }
  if (world.failed) console.log(`FAIL ${world.failure}`);
  return !world.failed;
}

async function main(argv) {
  process.on("warning", () => {}).removeAllListeners("warning"); // handlers that throw are part of the scenarios
  const scenarios = read(process.env.CONFORMANCE_SCENARIOS ?? fileURLToPath(new URL("scenarios.txt", import.meta.url)));
  for (const sc of scenarios) if (sc.notNode === undefined) vet(sc.steps);
  const isChild = argv[0] === "--child";
  const wanted = ({ id }) => argv.length === 0 || argv.some((arg) => id === arg || id.startsWith(`${arg}.`));
  const named = isChild ? scenarios.filter(({ id }) => id === argv[1]) : scenarios.filter((sc) => !sc.childOnly && wanted(sc));
  const chosen = named.filter((sc) => sc.notNode === undefined);
  if (named.length === 0) {
    console.error("conformance: no scenario of that id");
    process.exit(2);
  }
  let passed = 0;
  const closingLine = () => `${passed} passed, ${chosen.length - passed} failed`;
  const stuck = (world) => {
    console.log(`FAIL ${world.scenario.id}: not over after ${SCENARIO_SECONDS} s`);
    if (world.failed) console.log(`  first failure: ${world.failure}`);
    for (const { now } of world.running) if (now) console.log(`  a strand is at scenarios.txt:${now.line}: ${now.source}`);
    console.log(closingLine());
    process.exit(1);
  };
  startWatchdog(chosen.map(({ id }) => id));
  Atomics.store(told, 3, BigInt(chosen.length));
  if (isChild) {
    // A natural end: the exit code is set, nothing is closed, the streams are live.
    process.exitCode = (await runScenario(chosen[0], stuck)) ? 0 : 3;
    return;
  }
  for (const sc of named) {
    if (sc.notNode !== undefined) {
      console.log(`--   ${sc.id.padEnd(12)}           not in Node: ${sc.notNode}`);
      continue;
    }
    Atomics.store(told, 1, BigInt(chosen.indexOf(sc)));
    const start = performance.now();
    if (!(await runScenario(sc, stuck))) continue;
    Atomics.store(told, 2, BigInt(++passed));
    console.log(`ok   ${sc.id.padEnd(12)} ${((performance.now() - start) / 1000).toFixed(1).padStart(5)} s  ${sc.title}`);
  }
  console.log(closingLine());
  process.exitCode = passed === chosen.length ? 0 : 1;
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
