// The verbs of groups, presence, interest, wills and the watches of them. As verbs.mjs: one call each, and nothing judged.
import { OK, entries, result } from "./world.mjs";
import { textOf } from "./verbs.mjs";

const box = (c, step) => c.mailbox(step.args[0]);

export function join(c, step) {
  box(c, step).join(textOf(c, step.args[1]));
  return OK;
}

export function part(c, step) {
  box(c, step).leave(textOf(c, step.args[1]));
  return OK;
}

export function enter(c, step) {
  box(c, step).enterPresence(textOf(c, step.args[1]), textOf(c, step.args[2]), { grace: c.opt(step, "grace", 0) / 1e6 });
  return OK;
}

export function depart(c, step) {
  box(c, step).leavePresence(textOf(c, step.args[1]), textOf(c, step.args[2]));
  return OK;
}

const shown = (c, members, keys) => result("ok", entries(c.world, members, keys));
export const members = (c, step) => shown(c, c.world.engine.members(textOf(c, step.args[0])));
export const keys = (c, step) => shown(c, undefined, c.world.engine.presenceKeys(textOf(c, step.args[0])));

function begun(c, step, made) {
  c.put(step.name, "watch", made, made.id);
  return made.snapshot;
}
const tag = (c, step) => ({ tag: c.opt(step, "tag", 0) });
export const watch = (c, step) => shown(c, begun(c, step, box(c, step).watchGroup(textOf(c, step.args[1]), tag(c, step))));
export const watchKeys = (c, step) => shown(c, undefined, begun(c, step, box(c, step).watchPresence(textOf(c, step.args[1]), tag(c, step))));
export const interest = (c, step) => result("ok", { count: begun(c, step, box(c, step).watchInterest(textOf(c, step.args[1]), tag(c, step))) });

export function unwatch(c, step) {
  return c.of(step.args[0], "watch").value.unwatch({ flush: step.args[1] === "flush" }) ? OK : result("TD_ESTALE");
}

export function will(c, step) {
  const options = { tag: c.number(step.args[2]), retain: "retain" in step.opts };
  box(c, step).setWill(textOf(c, step.args[1]), step.opts.data, options);
  return OK;
}

export function clearWill(c, step) {
  box(c, step).clearWill();
  return OK;
}
