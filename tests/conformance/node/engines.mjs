// The verbs of engines as a whole: opened, closed, drained.
// Each makes one call of the package and hands over what came of it; it judges nothing.
import * as tidings from "./tidings.mjs";
import { OK, result } from "./world.mjs";
import { ms } from "./verbs.mjs";

export function engine(c, step) {
  const made = new tidings.Engine({ virtualClock: c.world.scenario.virtualClock, maxBytes: c.opt(step, "budget", 0) });
  c.put(step.args[0], "engine", made, made.id);
  return OK;
}

export function closeEngine(c, step) {
  c.of(step.args[0], "engine").value.close();
  return OK;
}

function reportOf(c, { complete, delivered, undelivered, suspended }) {
  const names = suspended.map(({ id }) => c.world.nameOf(id)).join(" ");
  return result(complete ? "ok" : "TD_ETIMEDOUT", { delivered, undelivered, suspended: names });
}

/** In this package a drain is a promise, and nothing goes on from a look to the next but that: a step with timeout=0 begins one without
 *  end, and says what its first look found. When it closes the engine between two steps, its report is the next step's. */
export async function drain(c, step) {
  const slot = c.of(step.args[0], "engine");
  const timeout = ms(c.opt(step, "timeout", Infinity));
  try {
    const going = slot.value.drain({ timeout: timeout === 0 ? Infinity : timeout });
    const report = timeout === 0 ? await Promise.race([going, undefined]) : await going;
    if (report !== undefined) return reportOf(c, report);
    going.then((later) => (slot.drained = later), () => {}); // the scenario may close the engine before
    return result("TD_EAGAIN");
  } catch (error) {
    const { drained } = slot;
    slot.drained = undefined;
    if (error.code !== "TD_ESTALE" || drained === undefined) throw error;
    return reportOf(c, drained);
  }
}
