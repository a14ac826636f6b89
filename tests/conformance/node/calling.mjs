// The verbs for calls and answers, and for what is passed on.
// Each makes one call of the package and hands over what came of it; it judges nothing.
import { OK, result, resultOfMessage } from "./world.mjs";
import { waiting } from "./flow.mjs";
import { ms, payload, sender, took } from "./verbs.mjs";

/** A reply, or the error a call ended with, as the result that the message would be. */
function resultOfFailure(error) {
  if (error.code === "REPLY_ERROR") return result("reply", { status: error.status, data: Buffer.from(error.data).toString("latin1") });
  if (!String(error.code).startsWith("TD_")) throw error;
  const down = error.code === "TD_EDOWN" ? { status: error.status, data: Buffer.from(error.data).toString("latin1") } : {};
  return result(error.code, down, false, error.message);
}

export function call(c, step) {
  const options = { tag: c.number(step.args[1]), from: sender(c, step), timeout: ms(c.opt(step, "timeout", Infinity)) };
  return waiting(c, c.world.engine.call(c.mailbox(step.args[0]), payload(c, step), options)).then(resultOfMessage, resultOfFailure);
}

export function ask(c, step) {
  const options = { tag: c.number(step.args[1]), timeout: ms(c.opt(step, "timeout", Infinity)) };
  const made = sender(c, step).request(c.mailbox(step.args[0]), payload(c, step), options);
  c.put(step.name, "call", made, made.id);
  return OK;
}

/** ask-many TAG M...: one call of all of them; any may be listed twice. */
export function askMany(c, step) {
  const options = { tag: c.number(step.args[0]), timeout: ms(c.opt(step, "timeout", Infinity)) };
  const targets = step.args.slice(1).map((name) => c.mailbox(name));
  const made = sender(c, step).requestMany(targets, payload(c, step), options);
  c.put(step.name, "call", made, made.id);
  return OK;
}

export function giveUp(c, step) {
  return c.of(step.args[0], "call").value.cancel() ? OK : result("TD_ESTALE");
}

export function reply(c, step) {
  const request = c.of(step.args[0], "ticket").value;
  if ("status" in step.opts) request.replyError(c.opt(step, "status", 0), payload(c, step));
  else request.reply(payload(c, step));
  return OK;
}

export function replyPart(c, step) {
  const sent = c.of(step.args[0], "ticket").value.replyPart(payload(c, step), { timeout: ms(c.opt(step, "timeout", 0)) });
  return waiting(c, sent).then(() => OK);
}

export function replyEnd(c, step) {
  return c.of(step.args[0], "ticket").value.replyEnd().then(() => OK);
}

export function drop(c, step) {
  c.of(step.args[0], "ticket").value.drop();
  return OK;
}

/** forward A B: takes A's oldest message and sends it on to B; from nobody, unless it is said from whom. */
export async function forward(c, step) {
  const box = c.mailbox(step.args[0]);
  const timeout = ms(c.opt(step, "timeout", 0));
  const m = timeout === 0 ? box.tryRecv() : await waiting(c, box.recv({ timeout }));
  const got = took(c, step, m);
  if (m === undefined) return got;
  m.forward(c.mailbox(step.args[1]), { from: sender(c, step) ?? 0n });
  return OK;
}
