// The fault run: clients, workers and the daemon are killed in turn, among others that send garbage or do not read.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { connect as connectTo } from "node:net";
import path from "node:path";
import { test } from "node:test";
import { connect } from "../client.mjs";
import { apart, folder, get, kill, program } from "./daemons.mjs";
import { node, sleep, until, within } from "./support.mjs";

/** Everyone in service, once all places are taken. */
const serving = (daemon) =>
  until(async () => {
    const workers = await daemon.workers();
    const states = workers.map(({ state }) => state).sort();
    return states.join() === "online,online,online,suspended" && workers.filter(({ idx }) => idx !== undefined).sort((one, other) => one.idx - other.idx);
  }, "three workers and one that stands by", 20_000);

async function several(client, ...request) {
  const list = [];
  for await (const reply of client.sendAppRequest(...request)) list.push(reply);
  return list;
}

/** Connections of every bad sort, some of which stay. */
function badClients(path) {
  const line = (type, data) => `${JSON.stringify({ type, id: "1", data })}\n`;
  const begins = [
    "garbage \u0000\u0001\n",
    '{"type":"send-app-req","id":"1","da', // half a frame, and no more
    line("send-app-req", { request: "endless" }),
    line("send-app-req", { request: "stream", data: { count: 1e9 } }), // and then it does not read
    "x".repeat(2 ** 21), // more than a line may have
    line("bogus") + line("status").slice(0, 10),
  ];
  return Array.from({ length: 60 }, (_, n) => {
    const socket = connectTo(path);
    socket.on("error", () => {});
    if (n % 6 !== 3) socket.resume();
    socket.write(begins[n % 6]);
    if (n % 5 === 0) setTimeout(() => (n % 2 === 0 ? socket.destroy() : socket.end()), 10 * n);
    return socket;
  });
}

test("faults: clients and workers are killed among bad clients; others get what they ask for, and nothing is left", async (t) => {
  const daemon = await apart(t, { standby: 1, longestLine: 2 ** 20, slowTimeout: 2_000 });
  await serving(daemon);
  const before = await daemon.inspect();
  const client = await connect(daemon.path);
  let failures = 0;

  for (let round = 0; round < 4; round++) {
    const bad = badClients(daemon.path);
    const programs = [node(t, ["crowd.mjs", daemon.path, "20", "1000"]), node(t, ["counting.mjs", daemon.path, "100000000"]), node(t, ["counting.mjs", daemon.path, "1", "endless"])];
    await sleep(500);
    const workers = await serving(daemon);
    const victim = workers[round % 3];
    const asked = several(client, "never", undefined, `${victim.idx}`);
    await until(async () => (await several(client, "echo", {}, `${victim.idx}`)).length === 1, "it has heard of the request");
    kill(victim.pid);
    const begun = Date.now();
    const [{ id, pid, errors }] = await within(asked, "the answer for a dead worker", 2_000);
    assert.deepEqual([id, pid, errors], [victim.id, victim.pid, [`Worker ${victim.id} (${victim.pid}) was killed by SIGKILL`]]);
    failures = Math.max(failures, Date.now() - begun);
    for (const { child } of programs) child.kill("SIGKILL");
    await serving(daemon);
    const replies = await several(client, "echo", { round });
    assert.deepEqual(replies.map(({ data }) => data), Array(3).fill({ echo: { round } }));
    for (const socket of bad) socket.destroy();
  }
  t.diagnostic(`faults: a request to a killed worker failed within ${failures} ms`);
  await client.terminate();
  await daemon.becomes(before);
});

test("faults: when the daemon is killed its workers serve on, and the next daemon takes them over", async (t) => {
  const first = await apart(t, { standby: 1 });
  const workers = await serving(first);
  const pids = (list) => list.map(({ idx, pid }) => [idx, pid]);
  const load = node(t, ["http_load.mjs", first.folder, "3", "200"]);
  await until(() => load.lines.includes("begun"), load.told);
  const bad = badClients(first.path);
  await sleep(300);
  first.child.kill("SIGKILL");
  for (const socket of bad) socket.destroy();
  assert.match(await get(`${first.folder}/app.1.sock`), /^hello /);

  const second = await apart(t, { standby: 1, tmpDir: first.folder });
  assert.deepEqual(pids(await serving(second)), pids(workers));
  const before = await second.inspect();
  const client = await connect(second.path);
  assert.equal((await several(client, "echo", { n: 1 })).length, 3);
  assert.equal((await several(client, "endless-now", undefined, "0-2")).reduce((sum, { data }) => sum + data, 0), 0, "streams of the killed daemon's clients have ended");
  await sleep(500);
  load.child.kill("SIGTERM");
  await within(load.ended, load.told, 30_000);
  const { lost, ...figures } = JSON.parse(load.lines.at(-1));
  t.diagnostic(`faults: ${JSON.stringify(figures)} over HTTP while the daemon was killed and another came`);
  assert.deepEqual(lost, []);
  await client.terminate();
  await second.becomes(before);
  await second.terminate();
});

test("faults: a worker is gone when its process is, also when another one holds its channel open", async (t) => {
  const daemon = await apart(t, { worker: "plain.cjs", args: ["eager"], workers: 1 });
  const before = await daemon.inspect();
  const client = await connect(daemon.path);
  await several(client, "bequeath");
  const [{ pid }] = await daemon.workers();
  const asked = several(client, "never");
  kill(pid);
  const [{ errors }] = await within(asked, "the answer for a dead worker", 2_000);
  assert.match(errors[0], /was killed by SIGKILL$/);
  await until(async () => (await daemon.workers()).some((one) => one.pid !== pid && one.state === "online"), "another one");
  assert.equal((await several(client, "echo")).length, 1);
  await client.terminate();
  await daemon.becomes(before);
});

test("faults: a worker that finds its daemon gone when it begins looks for another one, and ends", async (t) => {
  const env = { NODESOCKD_WORKER_ID: randomUUID(), NODESOCKD_SOCKET_PATH: path.join(folder(t), "app.sock"), NODESOCKD_ORPHAN_TIMEOUT: "300" };
  const orphan = node(t, [program("app.mjs")], { env: { ...env, NODESOCKD_IPC_PATH: `${env.NODESOCKD_SOCKET_PATH}.nobody` } });
  assert.equal(await within(orphan.ended, "its end"), 0, orphan.told());
});
