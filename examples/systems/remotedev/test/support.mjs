// What the checks share: a server, programs, waits with a deadline, and what is left in an engine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Engine } from "tidings";
import { start } from "../server.mjs";
import { SocketCluster } from "../socketcluster.mjs";

export const require = createRequire(import.meta.url);
export const here = path.dirname(fileURLToPath(import.meta.url));
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

/** A server on a free port, stopped after the test. */
export async function serve(t, options = {}) {
  const server = await start({ port: 0, ...options });
  t.after(() => within(server.stop(), "the server's end"));
  return server;
}

/** Runs a program of this folder; its `lines` come as they are printed. Killed after the test. */
export function run(t, command, args, { env } = {}) {
  const child = spawn(command, args, { cwd: here, env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  const lines = [];
  const errors = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  createInterface({ input: child.stderr }).on("line", (line) => errors.push(line));
  child.stdin.on("error", () => {}); // it has ended
  const ended = new Promise((resolve) => child.on("close", (code, signal) => resolve(signal ?? code)));
  t.after(() => child.kill("SIGKILL"));
  return { child, lines, errors, ended, told: () => `${lines.join("\n")}\n${errors.join("\n")}` };
}

export const node = (t, args, options) => run(t, process.execPath, args, options);

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

/** A first call opens a mailbox of the package's own, for all of them: counting begins after that. */
export async function settled(engine) {
  const echo = engine.mailbox({ handler: (request) => request.reply() });
  await engine.call(echo);
  echo.close();
}

export const openFiles = () => readdirSync("/proc/self/fd").length;

/** SocketCluster alone, with rules of the test's own. */
export async function serveRules(t, options, rules) {
  const engine = new Engine();
  const http = createServer();
  const cluster = new SocketCluster(engine, http, options, rules);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => {
    cluster.close();
    http.close();
    http.closeAllConnections();
    engine.close();
  });
  return { engine, cluster, port: http.address().port };
}
