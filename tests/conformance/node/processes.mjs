// The verbs of processes of the system: children that wait to be told how to end.
// A child of Node's is waited for by the event loop as soon as that turns, and its exit code is gone then; so the end of one that is monitored
// is waited for here, without a turn, until a mailbox has been told.
import { spawn } from "node:child_process";
import { OK, result } from "./world.mjs";

const OWN_WAIT = 10_000;

export function start(c, step) {
  const child = spawn("sh", ["-c", 'read code; exit "$code"'], { stdio: ["pipe", "ignore", "ignore"] });
  const over = new Promise((done) => child.on("exit", done));
  c.put(step.args[0], "process", { child, over, monitored: false }, 1n << 64n);
  return OK;
}

export function monitor(c, step) {
  const number = Number(step.args[1]);
  const process_ = Number.isNaN(number) ? c.of(step.args[1], "process").value : undefined;
  const made = c.mailbox(step.args[0]).monitorProcess(process_?.child.pid ?? number, { tag: c.opt(step, "tag", 0) });
  if (process_ !== undefined) process_.monitored = true;
  c.put(step.name, "monitor", made, made.id);
  return OK;
}

const sent = (c) => [...c.world.slots.values()].reduce((sum, { kind, value }) => sum + (kind === "mailbox" ? value.stats().sent : 0), 0);

export function end(c, step) {
  const { child, monitored } = c.of(step.args[0], "process").value;
  const before = sent(c);
  if ("signal" in step.opts) child.kill(c.opt(step, "signal", 9));
  else child.stdin.write(`${c.opt(step, "code", 0)}\n`);
  const until = performance.now() + OWN_WAIT;
  while (monitored && sent(c) === before && performance.now() < until);
  return OK;
}

export async function reap(c, step) {
  await c.of(step.args[0], "process").value.over;
  return result("ok");
}
