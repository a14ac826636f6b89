// One daemon after another: workers live on.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { get, folder, program, raw, serve } from "./daemons.mjs";
import { node, sleep, until, within } from "./support.mjs";

const who = (daemon) => daemon.workers().map(({ id, pid, idx, state }) => ({ id, pid, idx, state })).sort((one, other) => one.pid - other.pid);
const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

test("E18: workers that are released report to the next daemon, in their places; nobody who asks them notices", async (t) => {
  const first = await serve(t, { standby: 1 });
  await until(() => first.workers().some(({ state }) => state === "suspended"), "one stands by");
  const before = who(first);
  const asked = [];
  const timer = setInterval(() => asked.push(get(first.link(asked.length % 3))), 5);
  t.after(() => clearInterval(timer));
  await within(first.release(), "it has ended");
  await sleep(100);
  const begun = performance.now();
  const second = await serve(t, { standby: 1, tmpDir: first.folder, started: false });
  await until(() => second.workers().length === 4, "they have come");
  assert.ok(performance.now() - begun < 1_000, `${performance.now() - begun} ms`);
  await sleep(100);
  clearInterval(timer);
  assert.deepEqual(who(second), before);
  assert.equal(new Set(await within(Promise.all(asked), "the answers")).size, 3);
  const client = await raw(t, second);
  const answers = await client.ask("send-app-req", { request: "echo", data: 1 });
  assert.deepEqual(answers.slice(0, -1).map(({ data }) => data.id).sort(), before.filter(({ idx }) => idx !== undefined).map(({ id }) => id).sort());
  await client.ask("send-app-msg", { message: "ask", data: { to: "self" }, workers: "1" });
  await second.saying(/ASKDONE/);
  await client.ask("stop-workers");
  assert.deepEqual(before.filter(({ pid }) => isAlive(pid)), []);
});

test("E18: a worker without the library is told where to connect, and is one again when it has said who it is", async (t) => {
  const first = await serve(t, { worker: "plain.cjs", workers: 1 });
  const before = who(first);
  await within(first.release(), "it has ended");
  assert.ok(first.said().some((line) => line.endsWith(`got {"type":"detach","data":{"ipcPath":"${first.path}"}}`)), first.said().join("\n"));
  const second = await serve(t, { worker: "plain.cjs", workers: 1, tmpDir: first.folder, started: false });
  await until(() => who(second).length === 1, "it has come");
  assert.deepEqual(who(second), before);
  const client = await raw(t, second);
  await client.ask("send-app-msg", { message: "hello" });
  await second.saying(/got {"type":"app-msg","data":{"message":"hello"}}/);
  process.kill(before[0].pid, "SIGKILL");
  await until(() => second.worker(0)?.state === "online" && second.worker(0).pid !== before[0].pid, "it is watched: another one takes its place");
});

test("E18: suspended workers stay so; those that do not come are replaced", async (t) => {
  const first = await serve(t, { workers: 2 });
  await first.ask("restart-workers", { suspended: true });
  await until(() => first.workers().length === 2, "the old ones have ended");
  const [killed, kept] = [0, 1].map((index) => first.worker(index));
  await first.release();
  process.kill(killed.pid, "SIGKILL");
  const second = await serve(t, { workers: 2, tmpDir: first.folder, adoptionTimeout: 600, started: false });
  await until(() => second.worker(0)?.state === "suspended", "another one in its place");
  assert.deepEqual([second.worker(1).id, second.worker(1).state], [kept.id, "suspended"]);
  await second.ask("resume-workers");
  for (const index of [0, 1]) assert.match(await get(second.link(index)), /^hello/);
});

test("E18: workers of a daemon that nobody follows end", async (t) => {
  const daemon = await serve(t, { workers: 2, orphanTimeout: 500 });
  const pids = daemon.workers().map(({ pid }) => pid);
  await daemon.release();
  await until(() => !pids.some(isAlive), "they end");
  assert.equal(daemon.said().filter((line) => line.endsWith("SHUTDOWN")).length, 2);
});

test("E18: who is no worker is not taken for one", async (t) => {
  const daemon = await serve(t, { workers: 1 });
  const { id, pid } = daemon.worker(0);
  for (const data of [{ id, pid }, { id: "x", pid: process.pid }, { id: "x", pid: 1 }, { id, pid: -1 }, { id: ["x"], pid: "1" }, {}]) {
    const client = await raw(t, daemon);
    client.send({ type: "online", data });
    await within(once(client.socket, "close"), "it is hung up on");
  }
  assert.deepEqual(who(daemon), [{ id, pid, idx: 0, state: "online" }]);
});

const kill = (signal) => ({ pid }) => process.kill(pid, signal);
const upgrade = async ({ client, pid }) => {
  assert.deepEqual(await client.ask("restart-workers", { version: "2.0.0" }), [{ done: true, data: { upgrading: true, pid } }]);
};

for (const [how, end] of [["killed", kill("SIGKILL")], ["told to give way", kill("SIGUSR2")], ["to be upgraded", upgrade]]) {
  test(`E18: a daemon that is ${how} is followed by another one, and the workers go on`, async (t) => {
    const tmpDir = folder(t);
    const file = path.join(tmpDir, "nodesockd.yml");
    writeFileSync(file, `script: ${program("app.mjs")}\nworkers: 2\ntmpDir: .\n`);
    const main = path.join(import.meta.dirname, "..", "main.mjs");
    const first = node(t, [main, file]);
    const ready = async (pid) => {
      const links = readdirSync(tmpDir).filter((name) => /^app\.\d\.sock$/.test(name)).map((name) => readlinkSync(path.join(tmpDir, name)));
      if (links.length < 2) return false;
      const client = await raw(t, { path: path.join(tmpDir, "nodesockd.ipc") }).catch(() => undefined);
      const [{ data } = {}] = (await client?.ask("status")) ?? [];
      return data?.pid !== pid && data?.workers.length === 2 && data.workers.every(({ state }) => state === "online") && { ...data, client };
    };
    const before = await until(() => ready(), () => first.told());
    await end(before);
    await until(() => !isAlive(before.pid), "the first one's end");
    if (how === "killed") node(t, [main, file]);
    const after = await until(() => ready(before.pid), "another daemon");
    t.after(() => (isAlive(after.pid) ? process.kill(after.pid, "SIGKILL") : undefined));
    const names = ({ workers }) => workers.map(({ id, pid, idx }) => `${idx} ${id} ${pid}`).sort();
    assert.deepEqual(names(after), names(before));
    assert.deepEqual(await after.client.ask("terminate"), [{ done: true, data: { pid: after.pid } }]);
    await until(() => ![after, ...after.workers].some(({ pid }) => isAlive(pid)), "all has ended");
    assert.deepEqual(readdirSync(tmpDir).sort(), ["nodesockd.yml", "said"]);
  });
}
