// The load run: streams of 100,000 replies from each worker, a hundred clients at once, and HTTP while workers come and go.
import assert from "node:assert/strict";
import { connect as connectTo } from "node:net";
import { test } from "node:test";
import { connect } from "../client.mjs";
import { write } from "../frames.mjs";
import { apart } from "./daemons.mjs";
import { node, sleep, until, within } from "./support.mjs";

const MANY = 100_000;

test("E4: 100,000 replies from each worker without a pause, in order", async (t) => {
  const { path, inspect } = await apart(t);
  const before = await inspect();
  const counting = node(t, ["counting.mjs", path, String(MANY)]);
  let most = before.rss;
  const ended = counting.ended.then(() => true);
  while (!(await Promise.race([ended, sleep(100)]))) most = Math.max(most, (await inspect()).rss);
  assert.equal(await counting.ended, 0, counting.told());
  const figures = JSON.parse(counting.lines.at(-1));
  assert.deepEqual(figures.counts, [MANY, MANY, MANY]);
  t.diagnostic(`load: ${counting.lines.at(-1)}, the daemon took ${most - before.rss} MiB more at most`);
  await until(async () => JSON.stringify((await inspect()).inside) === JSON.stringify(before.inside), "the daemon as it was");
});

test("E16: a hundred clients at once, and every reply goes to who has asked", async (t) => {
  const { path, inspect } = await apart(t);
  const before = await inspect();
  const crowd = node(t, ["crowd.mjs", path, "100", "10"]);
  assert.equal(await within(crowd.ended, "the crowd's end", 60_000), 0, crowd.told());
  const figures = JSON.parse(crowd.lines.at(-1));
  assert.equal(figures.replies, 100 * 10 * (3 + 3 * 20));
  t.diagnostic(`load: ${crowd.lines.at(-1)}`);
  await until(async () => JSON.stringify((await inspect()).inside) === JSON.stringify(before.inside), "the daemon as it was");
});
