// Workers in service: HTTP through their links while they are replaced, held back and let go.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { test } from "node:test";
import { get, raw, serve } from "./daemons.mjs";
import { run, sleep, until, within } from "./support.mjs";

const short = ({ id }) => id.slice(-5);
const standby = (daemon) => until(() => daemon.workers().find(({ state }) => state === "suspended"), "one stands by");

/** 200 requests a second through a link until it is told to stop: then who has answered, in order. */
function ask(t, link) {
  const asked = [];
  const timer = setInterval(() => asked.push(get(link)), 5);
  t.after(() => clearInterval(timer));
  return async () => {
    clearInterval(timer);
    return within(Promise.all(asked), "all are answered");
  };
}

test("E11: a broken worker says why, and serves until another one is online in its place; no request is lost", async (t) => {
  const daemon = await serve(t, { workers: 2 });
  const client = await raw(t, daemon);
  const broken = daemon.worker(0);
  const stop = ask(t, daemon.link(0));
  await sleep(200);
  await client.ask("send-app-msg", { message: "break", data: { why: "db gone" }, workers: "0" });
  await until(() => daemon.workers().some(({ id, reason }) => id === broken.id && reason === "db gone"), "status says why");
  await until(() => daemon.logged.some((line) => line.includes(broken.id) && line.includes("db gone")), "so does the log");
  const [{ data }] = await client.ask("status");
  const inStatus = data.workers.find(({ id }) => id === broken.id);
  assert.ok(inStatus === undefined || inStatus.reason === "db gone");
  const next = await until(() => daemon.worker(0)?.id !== broken.id && daemon.worker(0), "another one");
  assert.equal(next.state, "online");
  await daemon.saying(`${short(broken)} SHUTDOWN`);
  await sleep(200);
  const answers = await stop();
  assert.deepEqual(new Set(answers), new Set([`hello ${short(broken)}`, `hello ${short(next)}`]));
  const said = daemon.said();
  const online = said.findIndex((line) => line.startsWith(`${short(next)} `));
  assert.ok(online !== -1 && online < said.indexOf(`${short(broken)} SHUTDOWN`), said.join("\n"));
});

test("E11: who stands by takes the place of a broken worker, and another one stands by", async (t) => {
  const daemon = await serve(t, { workers: 2, standby: 1 });
  const heir = await standby(daemon);
  const client = await raw(t, daemon);
  const broken = daemon.worker(1);
  await client.ask("send-app-msg", { message: "break", data: { why: "db gone" }, workers: "1" });
  await until(() => daemon.worker(1)?.id === heir.id, "it takes the place");
  assert.equal(readlinkSync(daemon.link(1)), `./app.${heir.id}.sock`);
  assert.equal(await get(daemon.link(1)), `hello ${short(heir)}`);
  await until(() => !daemon.workers().some(({ id }) => id === broken.id), "the broken one ends");
  assert.notEqual((await standby(daemon)).id, heir.id);
});

test("E11: a restart replaces all workers; no request is lost, not of any", async (t) => {
  const daemon = await serve(t, { workers: 3, standby: 1 });
  await standby(daemon);
  const client = await raw(t, daemon);
  const stops = [0, 1, 2].map((index) => ask(t, daemon.link(index)));
  const before = daemon.workers().map(({ id }) => id);
  for (let round = 0; round < 2; round++) {
    await sleep(100);
    const [{ data }] = await client.ask("restart-workers", {});
    assert.deepEqual(data, { pid: process.pid });
    assert.deepEqual(daemon.workers().filter(({ id, state }) => before.includes(id) && state !== "terminating"), []);
  }
  await sleep(100);
  for (const stop of stops) assert.ok(new Set(await stop()).size >= 2);
  await until(() => daemon.workers().length === 4, "the old ones have ended");
});

test("E11: a restart whose workers do not come online leaves those that serve in service", async (t) => {
  const daemon = await serve(t, { worker: "app.mjs", workers: 2, onlineTimeout: 1_500, shutdownTimeout: 100 });
  const client = await raw(t, daemon);
  const before = daemon.workers();
  daemon.options.args = ["broken"];
  const [{ errors }] = await client.ask("restart-workers", { maxAttempts: 2 });
  assert.match(errors[0], /has not come online, and 2 have been tried/);
  await until(() => daemon.workers().length === 2, "the new ones have ended");
  assert.deepEqual(daemon.workers(), before);
  daemon.options.args = [];
  const [{ data }] = await client.ask("restart-workers", {});
  assert.deepEqual(data, { pid: process.pid });
});

test("E13: suspended workers hold what they are asked by HTTP; resumed they answer all of it, in order", async (t) => {
  const daemon = await serve(t, { workers: 2, standby: 1 });
  const client = await raw(t, daemon);
  await client.ask("restart-workers", { suspended: true });
  const held = [0, 1].map((index) => daemon.worker(index));
  assert.deepEqual(held.map(({ state, suspended }) => [state, suspended]), [["suspended", true], ["suspended", true]]);
  for (const worker of held) await daemon.saying(`${short(worker)} ${worker.pid} suspended true`);
  const answered = [];
  const asked = Array.from({ length: 10 }, (_, i) => get(daemon.link(i % 2), `/${i}`).then((text) => answered.push(text)));
  for (const index of [0, 1]) await until(() => daemon.said().filter((line) => line.startsWith(`${short(held[index])} HELD`)).length === 5, "all are held");
  await sleep(100);
  assert.deepEqual(answered, []);
  assert.deepEqual(await client.ask("resume-workers"), [{ done: true }]);
  assert.deepEqual([0, 1].map((index) => daemon.worker(index).state), ["online", "online"]);
  await within(Promise.all(asked), "the answers");
  for (const worker of held) {
    const done = daemon.said().filter((line) => line.startsWith(`${short(worker)} DONE`)).map((line) => Number(line.split("/")[1]));
    assert.deepEqual(done, [...done].sort((one, other) => one - other));
    assert.equal(done.length, 5);
  }
  assert.equal(new Set(answered).size, 2);
  assert.equal((await standby(daemon)).state, "suspended", "who stands by is not resumed");
});

test("E13: workers started suspended are resumed once, also one that came later", async (t) => {
  const daemon = await serve(t, { workers: 1, started: false });
  const client = await raw(t, daemon);
  await client.ask("start-workers", { suspended: true });
  assert.equal(daemon.worker(0).state, "suspended");
  await client.ask("set-worker-count", { count: 2 });
  assert.equal(daemon.worker(1).state, "suspended");
  for (let round = 0; round < 2; round++) await client.ask("resume-workers");
  for (const index of [0, 1]) assert.match(await get(daemon.link(index)), /^hello/);
  assert.equal(daemon.said().filter((line) => line.includes("RESUMED")).length, 2);
  await client.ask("set-worker-count", { count: 1 });
  await until(() => daemon.workers().length === 1, "one has ended");
  assert.throws(() => readlinkSync(daemon.link(1)), { code: "ENOENT" });
});

const hasCurl = spawnSync("curl", ["--version"]).status === 0;
test("E13: the middleware in Express, asked by curl", { skip: hasCurl ? false : "there is no curl" }, async (t) => {
  const daemon = await serve(t, { worker: "express.mjs", workers: 1, started: false });
  await daemon.ask("start-workers", { suspended: true });
  const curl = (url) => run(t, "curl", ["--silent", "--show-error", "--max-time", "10", "--unix-socket", daemon.link(0), `http://localhost${url}`]);
  const health = async () => {
    const asked = curl("/health");
    return (await asked.ended) === 0 && asked.lines.join();
  };
  assert.equal(await health(), "suspended");
  const held = ["ann", "bob"].map((name) => curl(`/hello/${name}`));
  await sleep(200);
  assert.deepEqual(held.map(({ lines }) => lines), [[], []]);
  await daemon.ask("resume-workers");
  for (const { ended, told } of held) assert.equal(await within(ended, "the answer"), 0, told());
  assert.deepEqual(held.map(({ lines }) => lines), [["hello ann"], ["hello bob"]]);
  assert.equal(await health(), "resumed");
});

test("who asks and leaves before the answer, or asks again meanwhile, harms nobody", async (t) => {
  const daemon = await serve(t, { workers: 2 });
  for (const type of ["restart-workers", "set-worker-count", "stop-workers", "start-workers", "reload"]) {
    const leaving = await raw(t, daemon);
    leaving.send({ type, id: "1", data: { count: 2 } });
    await until(() => leaving.socket.writableLength === 0, "it is written");
    await sleep(5);
    leaving.socket.destroy();
  }
  const client = await raw(t, daemon);
  const both = await within(Promise.all([client.ask("restart-workers", {}), client.ask("restart-workers", {})]), "two restarts");
  for (const [{ data }] of both) assert.deepEqual(data, { pid: process.pid });
  const stopped = client.ask("start-workers", {});
  const restarted = client.ask("restart-workers", {});
  await client.ask("stop-workers");
  assert.deepEqual(await stopped, [{ done: true }]);
  assert.deepEqual(await restarted, [{ errors: ["The workers are stopped"] }]);
  assert.deepEqual(daemon.workers(), []);
});

test("a worker that is broken before it is in service has failed to start", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", workers: 2, shutdownTimeout: 50 });
  const client = await raw(t, daemon);
  const before = daemon.workers().map(({ id }) => id);
  daemon.options.args = ["broken"];
  const [{ errors }] = await within(client.ask("restart-workers", { maxAttempts: 2 }), "the restart");
  assert.match(errors[0], /is broken: no database, and 2 have been tried/);
  await until(() => daemon.workers().length === 2, "the new ones have ended");
  assert.deepEqual(daemon.workers().map(({ id }) => id), before);
});

test("who stands by and ends again and again is started again, at growing intervals", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", workers: 0, standby: 1, args: ["brief"] });
  const starts = () => daemon.said().filter((line) => line.includes("started")).length;
  await until(() => starts() >= 6, () => `six starts, there are ${starts()}`);
  assert.ok(starts() <= 7);
});
