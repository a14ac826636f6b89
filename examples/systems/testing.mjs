// What the checks of these systems share: programs, waits with a deadline, and what is left in an engine.
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";

const PATIENCE = 15_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What `condition` gives once that is true or more; fails after `limit` ms, saying what it waited for. */
export async function until(condition, what, limit = PATIENCE) {
  for (const end = Date.now() + limit; ; await sleep(5)) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what instanceof Function ? what() : what}`);
  }
}

export function within(promise, what, limit = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not within ${limit} ms: ${what}`)), limit)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Ways to run a program in a folder; its `lines` come as they are printed. Killed after the test. */
export function programsIn(folder) {
  const run = (t, command, args, { env } = {}) => {
    const child = spawn(command, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    const lines = [];
    const errors = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
    child.stdin.on("error", () => {}); // it has ended
    const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve(signal ?? code)));
    t.after(() => child.kill("SIGKILL"));
    return { child, lines, errors, ended, told: () => `${lines.join("\n")}\n${errors.join("\n")}` };
  };
  return { run, node: (t, args, options) => run(t, process.execPath, args, options) };
}

/** What is in an engine, as counts. */
export function inside(engine) {
  const seen = engine.inspect();
  const sum = (field) => seen.mailboxes.reduce((total, mailbox) => total + mailbox[field].length, 0);
  return {
    mailboxes: seen.mailboxes.length,
    names: seen.names.length,
    owned: sum("owns"), // monitors, timers, calls
    watched: sum("watched_by"),
    presence: sum("presence"),
    subscriptions: sum("subscriptions"),
    queued: seen.counters.queued_bytes,
  };
}

export const openFiles = () => readdirSync("/proc/self/fd").length;
