// How workers end: when they are told to, when they do not listen, and when they are killed.
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { raw, serve } from "./daemons.mjs";
import { sleep, until, within } from "./support.mjs";

const isAlive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const at = (line) => Number(/ at (\d+)/.exec(line)[1]);
const about = (ms, expected, tolerance = 300) => assert.ok(Math.abs(ms - expected) <= tolerance, `${Math.round(ms)} ms instead of ${expected}`);

for (const [shutdownTimeout, killAfter, tolerance] of [[2_000, 5_000, 300], [200, 400, 150]]) {
  test(`E10: shutdown, ${shutdownTimeout} ms later SIGTERM, ${killAfter} ms later SIGKILL`, async (t) => {
    const daemon = await serve(t, { worker: "plain.cjs", args: ["deaf"], workers: 2, shutdownTimeout, killAfter });
    const client = await raw(t, daemon);
    const pids = daemon.workers().map(({ pid }) => pid);
    const begun = Date.now();
    const stopped = within(client.ask("stop-workers"), "the stop", 15_000);
    for (const { id } of daemon.workers()) {
      const [told, terminated] = await Promise.all(["shutdown", "SIGTERM"].map((what) => daemon.saying(new RegExp(`^${id.slice(-5)} ${what} at`), what)));
      about(at(told), begun, tolerance);
      about(at(terminated) - at(told), shutdownTimeout, tolerance);
    }
    assert.deepEqual(await stopped, [{ done: true }]);
    about(Date.now() - begun, shutdownTimeout + killAfter, tolerance + 100);
    assert.deepEqual(pids.filter(isAlive), []);
    assert.deepEqual(readdirSync(daemon.folder).filter((name) => name.endsWith(".sock")), []);
  });
}

for (const worker of ["app.mjs", "plain.cjs"]) {
  test(`E10: one that ends when it is told to ends the wait (${worker})`, async (t) => {
    const daemon = await serve(t, { worker, args: ["eager"], workers: 1 });
    const took = [];
    for (let round = 0; round < 3; round++) {
      await daemon.ask("start-workers");
      const begun = performance.now();
      await daemon.ask("stop-workers");
      took.push(Math.round(performance.now() - begun));
      assert.deepEqual(daemon.workers(), []);
    }
    assert.ok(Math.min(...took) < 250, `${took} ms`); // the machine may have been busy
  });
}

test("E10: one that has what it was asked for to finish is told to end after that", async (t) => {
  const daemon = await serve(t, { workers: 1 });
  const client = await raw(t, daemon);
  const asked = client.ask("send-app-req", { request: "slowstream" });
  await until(() => client.got.length > 0, "a first reply");
  await daemon.ask("stop-workers");
  assert.deepEqual((await asked).map(({ data }) => data?.data), ["reply 1", "reply 2", "reply 3", undefined]);
});

for (const worker of ["app.mjs", "plain.cjs"]) {
  test(`E12: a worker that is killed is replaced, and what it was asked fails at once and says who (${worker})`, async (t) => {
    const daemon = await serve(t, { worker });
    const client = await raw(t, daemon);
    const [killed, other] = [daemon.worker(0), daemon.worker(1)];
    const asked = ["never", "never"].map((request) => client.ask("send-app-req", { request, workers: "0" }));
    const both = worker === "plain.cjs" ? undefined : client.ask("send-app-req", { request: "slowstream", workers: "0-1" });
    await client.ask("send-app-req", { request: "echo", workers: "0" });
    const begun = performance.now();
    process.kill(killed.pid, "SIGKILL");
    const failed = { data: { id: killed.id, pid: killed.pid, errors: [`Worker ${killed.id} (${killed.pid}) was killed by SIGKILL`] } };
    for (const one of asked) assert.deepEqual(await one, [failed, { done: true }]);
    assert.ok(performance.now() - begun < 1_000, `${performance.now() - begun} ms`);
    await until(() => daemon.worker(0)?.state === "online" && daemon.worker(0).pid !== killed.pid, "another one");
    if (both === undefined) return; // a worker that knows no streams
    const answers = await both;
    assert.deepEqual(answers.filter(({ data }) => data?.pid === other.pid).map(({ data }) => data.data), ["reply 1", "reply 2", "reply 3"]);
    assert.deepEqual(answers.filter(({ data }) => data?.pid === killed.pid).at(-1), failed);
  });
}

test("E12: of one that has ended by itself it is said how, and who stands by takes its place", async (t) => {
  const daemon = await serve(t, { standby: 1 });
  const standby = await until(() => daemon.workers().find(({ state }) => state === "suspended"), "one stands by");
  const client = await raw(t, daemon);
  const ended = daemon.worker(1);
  const asked = client.ask("send-app-req", { request: "never", workers: "1" });
  await client.ask("send-app-msg", { message: "die", workers: "1" });
  const [{ data }] = await asked;
  assert.deepEqual(data.errors, [`Worker ${ended.id} (${ended.pid}) has ended with exit status 3`]);
  await until(() => daemon.worker(1)?.id === standby.id && daemon.worker(1).state === "online", "it takes the place");
  await daemon.saying(`${standby.id.slice(-5)} RESUMED`);
  const next = await until(() => daemon.workers().find(({ state }) => state === "suspended"), "another one stands by");
  assert.notEqual(next.id, standby.id);
});

test("E12: one that ends again and again is started again, at growing intervals", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", args: ["brief"], workers: 1 });
  const starts = () => daemon.said().filter((line) => line.includes("started")).length;
  await until(() => starts() >= 4, () => `four starts, there are ${starts()}`);
  await sleep(500);
  assert.ok(starts() <= 6, `${starts()} starts`); // the fifth comes half a second after the end of the fourth, the sixth a second after that
});
