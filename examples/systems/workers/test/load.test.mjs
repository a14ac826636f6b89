// The load run: streams of 100,000 replies from each worker, a hundred clients at once, and HTTP while workers come and go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connect } from "../client.mjs";
import { apart, raw } from "./daemons.mjs";
import { node, sleep, until, within } from "./support.mjs";

const MANY = 100_000;
const HTTP_TIME = 5_000; // ms at least

test("E4: three replies without a pause all arrive, in order", async (t) => {
  const daemon = await apart(t);
  const client = await raw(t, daemon);
  const answers = await client.ask("send-app-req", { request: "stream", data: { count: 3 } });
  for (const { id } of await daemon.workers()) {
    assert.deepEqual(answers.filter(({ data }) => data?.id === id).map(({ data }) => data.data), [1, 2, 3]);
  }
  assert.deepEqual([answers.length, answers.at(-1)], [10, { done: true }]);
});

for (const worker of ["app.mjs", "plain.cjs"]) {
  test(`E4: 100,000 replies from each worker without a pause, in order (${worker})`, async (t) => {
    const daemon = await apart(t, { worker, args: ["eager"] });
    const before = await daemon.inspect();
    const counting = node(t, ["counting.mjs", daemon.path, String(MANY)]);
    let most = before.rss;
    const ended = counting.ended.then(() => true);
    while (!(await Promise.race([ended, sleep(100)]))) most = Math.max(most, (await daemon.inspect()).rss);
    assert.equal(await counting.ended, 0, counting.told());
    const figures = JSON.parse(counting.lines.at(-1));
    assert.deepEqual(figures.counts, [MANY, MANY, MANY]);
    t.diagnostic(`load: ${counting.lines.at(-1)}, the daemon took ${most - before.rss} MiB more at most`);
    await daemon.becomes(before);
    const got = daemon.said().filter((line) => line.includes("-app-req"));
    assert.deepEqual(got, [], "a worker without the library is told nothing that it does not know");
  });
}

test("E16: a hundred clients at once, and every reply goes to who has asked", async (t) => {
  const daemon = await apart(t);
  const before = await daemon.inspect();
  const crowd = node(t, ["crowd.mjs", daemon.path, "100", "10"]);
  assert.equal(await within(crowd.ended, "the crowd's end", 60_000), 0, crowd.told());
  const figures = JSON.parse(crowd.lines.at(-1));
  assert.equal(figures.replies, 100 * 10 * (3 + 3 * 20));
  t.diagnostic(`load: ${crowd.lines.at(-1)}`);
  await daemon.becomes(before);
});

test("E11: 200 HTTP requests a second through the links lose none while workers are replaced, suspended and resumed", async (t) => {
  const daemon = await apart(t, { standby: 1 });
  const client = await connect(daemon.path);
  const all = () => until(async () => {
    const states = (await daemon.workers()).map(({ state }) => state).sort();
    return states.join() === "online,online,online,suspended";
  }, "three workers and one that stands by");
  await all();
  const load = node(t, ["http_load.mjs", daemon.folder, "3", "200"]);
  await until(() => load.lines.includes("begun"), load.told);
  const met = new Set();
  const begun = performance.now();
  for (let round = 0; round < 2 || performance.now() - begun < HTTP_TIME; round++) {
    for (const { id } of await daemon.workers()) met.add(id);
    await client.restartWorkers();
    await all();
    await client.sendAppMessage("break", { why: "load" }, String(round % 3));
    await sleep(200);
    await all();
    await client.restartWorkers({ suspended: true });
    await sleep(500);
    await client.resumeWorkers();
    await all();
    await client.setWorkerCount(5);
    await client.setWorkerCount(3);
    await all();
  }
  for (const { id } of await daemon.workers()) met.add(id);
  load.child.kill("SIGTERM");
  assert.equal(await within(load.ended, load.told, 30_000), 0, load.told());
  const { lost, ...figures } = JSON.parse(load.lines.at(-1));
  t.diagnostic(`load: ${JSON.stringify(figures)} while ${met.size} workers came and went`);
  assert.deepEqual(lost, []);
  assert.equal(figures.answered, figures.asked);
  assert.ok(figures.rate > 180 && figures.asked > 180 * (HTTP_TIME / 1_000), JSON.stringify(figures));
  await client.terminate();
});
