// What the daemon is told by a file, and what changes when that does.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { Options, standardFile } from "../options.mjs";
import { Worker } from "../worker.mjs";
import { folder, get, program, raw, serve } from "./daemons.mjs";
import { node, until, within } from "./support.mjs";

const SCRIPT = program("app.mjs");

test("options are those of Nodesockd's files; what is wrong with them is said", (t) => {
  const made = folder(t);
  const file = path.join(made, "nodesockd.yml");
  const read = (text) => (writeFileSync(file, text), new Options({}, file));
  const options = read("script: build/app.js\ntmpDir: tmp\nworkers: 4\nstandby: 1\nenv: [HOME]\noptions:\n  stdout: log\n  shutdownTimeout: 5000\n");
  const { script, tmpDir, stdout, workers, standby, shutdownTimeout, onlineTimeout, env } = options;
  assert.deepEqual([script, tmpDir, stdout], ["build/app.js", "tmp", "log"].map((name) => path.join(made, name)));
  assert.deepEqual({ workers, standby, shutdownTimeout, onlineTimeout, env }, { workers: 4, standby: 1, shutdownTimeout: 5_000, onlineTimeout: 10_000, env: ["HOME"] });
  assert.throws(() => read("script: a\n"), /tmpDir is required/);
  assert.throws(() => read("script: a\ntmpDir: b\nworkres: 4\n"), /there is no option workres/);
  assert.throws(() => read("script: a\ntmpDir: b\nworkers: four\n"), /"four" is nothing that workers can be/);
  assert.throws(() => standardFile(), /there is no nodesockd.yml here/);
});

test("a reload takes over numbers and names, and restarts workers where only new ones have what changed", async (t) => {
  const tmpDir = folder(t);
  const file = path.join(tmpDir, "nodesockd.yml");
  const write = (text) => writeFileSync(file, `script: ${SCRIPT}\ntmpDir: .\n${text}\n`);
  write("workers: 1");
  const daemon = await serve(t, { tmpDir, file });
  const client = await raw(t, daemon);
  const [{ data: config }] = await client.ask("config");
  assert.deepEqual([config.config.workers, config.files], [1, [file]]);
  const { id, pid } = daemon.worker(0);
  const title = (name) => until(() => readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(`${name} worker '${id.slice(-5)}'`), `its title is ${name}'s`);
  await title("app");
  write("workers: 2\nstandby: 1\nname: other");
  assert.deepEqual(await client.ask("reload"), [{ done: true }]);
  await until(() => daemon.workers().filter(({ state }) => state !== "running").length === 3, "two and one");
  assert.equal(daemon.worker(0).id, id);
  await title("other");
  write("workers: 2\nname: other\nstdout: log");
  const [{ errors }] = await client.ask("reload");
  assert.equal(errors, undefined);
  assert.notEqual(daemon.worker(0).id, id);
  await client.ask("send-app-msg", { message: "print", data: "hello" });
  await until(() => readFileSync(path.join(tmpDir, "log"), "utf8") === "hello\nhello\n", "what they print is in the file");
  write("workers: many");
  assert.deepEqual(await client.ask("reload"), [{ errors: ['"many" is nothing that workers can be'] }]);
  write("workers: 2\nipcFile: elsewhere");
  assert.deepEqual(await client.ask("reload"), [{ errors: ["ipcFile cannot change while the daemon runs"] }]);
  assert.equal(daemon.workers().filter(({ state }) => state === "online").length, 2);
});

test("the command line of the daemon: its title, what it says, and a second one beside it", async (t) => {
  const tmpDir = folder(t);
  const file = path.join(tmpDir, "nodesockd.yml");
  writeFileSync(file, `script: ${path.join(import.meta.dirname, "..", "demo", "hello.mjs")}\ntmpDir: .\nname: shop\nsocketFile: "{worker}.app"\n`);
  const main = path.join(import.meta.dirname, "..", "main.mjs");
  const first = node(t, [main, file]);
  await until(() => first.lines.some((line) => line.endsWith(" online")), first.told);
  assert.match(await get(path.join(tmpDir, "0.app")), /^hello from /);
  assert.match(readFileSync(`/proc/${first.child.pid}/cmdline`, "utf8"), /^shop daemon/);
  const second = node(t, [main, file]);
  assert.equal(await second.ended, 1);
  assert.deepEqual(second.errors, [`workers: a daemon listens at ${path.join(tmpDir, "nodesockd.ipc")} already`]);
  first.child.kill("SIGTERM");
  first.child.kill("SIGTERM"); // a second one changes nothing
  assert.equal(await first.ended, 0);
  assert.ok(first.lines.some((line) => line.endsWith("dead: has ended with exit status 0")), first.told());
});

test("a worker on its own, without a daemon", async () => {
  const worker = new Worker({});
  assert.deepEqual([worker.id, worker.socketPath, worker.suspended], [undefined, undefined, false]);
  worker.reportOnline();
  await worker.resumed;
  await worker.sendAppMessage("hello", {});
  for await (const reply of worker.sendAppRequest("echo", {})) assert.fail(reply);
  const ends = once(worker, "shutdown");
  worker.reportBroken("no database");
  await within(ends, "it is to end");
});
