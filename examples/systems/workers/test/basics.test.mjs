// Workers come online, are told things and asked things.
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { test } from "node:test";
import { raw, serve } from "./daemons.mjs";
import { sleep, until } from "./support.mjs";

const SHORT = 5; // of an id

test("E1: a worker is online in status as soon as it says so", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", workers: 1, started: false });
  const client = await raw(t, daemon);
  const [{ done }] = await client.ask("start-workers", {});
  assert.equal(done, true);
  const [{ data }] = await client.ask("status");
  const [{ id, state, idx, pid }] = data.workers;
  assert.deepEqual([data.workers.length, state, idx, data.pid], [1, "online", 0, process.pid]);
  assert.equal(readlinkSync(daemon.link(0)), `./app.${id}.sock`);
  process.kill(pid, 0);
});

test("E1: that takes less than 100 ms", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", workers: 5 });
  const took = daemon.workers().map(({ id, stateTs }) => {
    const [, , at] = daemon.said().find((line) => line.startsWith(`${id.slice(-SHORT)} started`)).split(" ");
    return stateTs - at;
  });
  assert.ok(Math.min(...took) < 100, `${took} ms after they were there`); // the machine may be busy for the others
});

test("E1: one that does not come online is ended and tried again, as often as allowed", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", args: ["never"], workers: 1, onlineTimeout: 250, shutdownTimeout: 50, started: false });
  const client = await raw(t, daemon);
  const [answer] = await client.ask("start-workers", { maxAttempts: 3 });
  assert.match(answer.errors[0], /^Worker .* has not come online, and 3 have been tried$/);
  await until(() => daemon.workers().length === 0, "all of them end");
  await sleep(300);
  assert.equal(daemon.said().filter((line) => line.includes("started")).length, 3);
  const [{ data }] = await client.ask("status");
  assert.deepEqual(data.workers, []);
});

test("E1: one that cannot be started, or ends before it is online, is said to have", async (t) => {
  const daemon = await serve(t, { worker: "plain.cjs", args: ["never", "brief"], workers: 1, started: false });
  const client = await raw(t, daemon);
  const ended = await client.ask("start-workers", {});
  assert.match(ended[0].errors[0], /^Worker \S+ \(\d+\) has ended with exit status 1, and 1 have been tried$/);
  daemon.options.stdout = "/nowhere/log";
  const impossible = await client.ask("start-workers", {});
  assert.match(impossible[0].errors[0], /cannot be started: .*ENOENT/);
  daemon.options.stdout = null;
  daemon.options.args = ["x".repeat(4_000_000)];
  const large = await client.ask("start-workers", {});
  assert.match(large[0].errors[0], /cannot be started: .*E2BIG/);
  daemon.options.args = [];
  assert.deepEqual(await client.ask("start-workers", {}), [{ done: true }]);
});

test("E2: a message is an event in every worker in service, once", async (t) => {
  const daemon = await serve(t, { standby: 1 });
  await until(() => daemon.workers().some(({ state }) => state === "suspended"), "one stands by");
  const client = await raw(t, daemon);
  assert.deepEqual(await client.ask("send-app-msg", { message: "hello", data: { a: 1 } }), [{ done: true }]);
  await client.ask("send-app-req", { request: "echo", workers: "-,!0" }); // what comes before a request is heard before it
  const heard = daemon.said().filter((line) => line.includes("MESSAGE")).sort();
  const serving = daemon.workers().filter(({ idx }) => idx !== undefined);
  assert.deepEqual(heard, serving.map(({ id }) => `${id.slice(-SHORT)} MESSAGE hello {"a":1}`).sort());
});

for (const worker of ["app.mjs", "plain.cjs"]) {
  test(`E3: a request has one reply of each selected worker (${worker}), then it is done`, async (t) => {
    const daemon = await serve(t, { worker });
    const client = await raw(t, daemon);
    const answers = await client.ask("send-app-req", { request: "echo", data: { n: 1 } });
    const expected = daemon.workers().map(({ id, pid }) => ({ data: { id, pid, data: { echo: { n: 1 } } } }));
    const byPid = (one, other) => one.data.pid - other.data.pid;
    assert.deepEqual(answers.slice(0, -1).sort(byPid), expected.sort(byPid));
    assert.deepEqual(answers.at(-1), { done: true });
    const { id, pid } = daemon.worker(1);
    const only = await client.ask("send-app-req", { request: "echo", data: { n: 2 }, workers: "1" });
    assert.deepEqual(only, [{ data: { id, pid, data: { echo: { n: 2 } } } }, { done: true }]);
  });
}
