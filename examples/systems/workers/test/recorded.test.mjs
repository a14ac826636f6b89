// Says again what clients of the real daemon have said, and hears whether the answers are the recorded ones: frame by frame, with the ids, PIDs and times of
// the moment. Replies of several workers come in any order. The recording shortens long lines.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { raw, serve } from "./daemons.mjs";
import { until } from "./support.mjs";

const WORKER = /"id":"([^"]+)","state":"(\w+)","stateTs":\d+(?:,"idx":(\d+))?,"pid":(\d+)(?:,"idx":(\d+))?[,}]/g;
const STANDBY = { id: "bc68d4a6-1c16-4df8-952a-6c5e1f91b330", pid: 25261 }; // the first one, which the shortened status leaves out

const short = ({ id }) => id.slice(-5);

/** What the real daemon left without an answer is done at once here, and so is what it said was an error. */
const DEVIATIONS = {
  "5-1": () => ['{"done":true}'],
  "89711AE6-AE07-4F99-91EE-6E048DDE2452": (pair) => [pair('{"data":{"id":"89711ae6-ae07-4f99-91ee-6e048dde2452","pid":25260,"data":"reply"}}'), '{"done":true}'],
};

/** The requests of the recording, one to a connection: { frame, answers }, as text. */
function exchanges() {
  const found = new Map();
  for (const line of readFileSync(new URL("recordings/nodesockd-2.0.0-rc.8.jsonl", import.meta.url), "utf8").split("\n")) {
    const [, connection, to, text] = /"conn":(\d+),"dir":"\w+>(\w+)","line":"(.*)$/.exec(line) ?? [];
    if (connection === undefined) continue;
    const frame = text.replace(/"}$/, "").replaceAll('\\"', '"');
    if (to === "daemon") found.set(connection, { frame: JSON.parse(frame), answers: [] });
    else found.get(connection).answers.push(frame.replace(/"type":"reply","requestId":"[^"]+",/, ""));
  }
  return [...found.values()];
}

test("the recorded session has the recorded answers", async (t) => {
  const daemon = await serve(t, { standby: 1, shutdownTimeout: 200, killAfter: 1_000 });
  await until(() => daemon.workers().some(({ state }) => state === "suspended"), "one stands by");
  const client = await raw(t, daemon);
  const ours = new Map(); // what stands in the recording -> what it is here
  const pair = (text) => text.replace(new RegExp([...ours.keys()].join("|"), "g"), (recorded) => ours.get(recorded));
  const learn = (recorded, here) => {
    ours.set(recorded.id, here.id).set(recorded.id.toUpperCase(), here.id.toUpperCase());
    ours.set(short(recorded), short(here)).set(String(recorded.pid), String(here.pid));
  };
  learn(STANDBY, daemon.workers().find(({ idx }) => idx === undefined));

  const status = async (recorded) => {
    const expected = [...recorded.matchAll(WORKER)].map(([, id, state, early, pid, late]) => ({ id, state, pid, idx: Number(early ?? late) }));
    await until(
      () => expected.every(({ idx, state }) => daemon.worker(idx)?.state === state) && (!recorded.endsWith("]}}") || daemon.workers().length === expected.length),
      () => `${recorded}, it is ${JSON.stringify(daemon.status())}`,
    );
    for (const worker of expected) learn(worker, daemon.worker(worker.idx));
  };

  const said = () => daemon.said().map((line) => line.slice(6));
  const told = (what) => said().filter((line) => line === what).length;
  let count = 0;
  for (const { frame, answers } of exchanges()) {
    const { type, data } = frame;
    if (type === "status") {
      await status(answers[0]);
      continue;
    }
    const got = await client.ask(type, data === undefined ? undefined : JSON.parse(pair(JSON.stringify(data))));
    const expected = answers.length > 0 ? answers.map((text) => pair(`{${text.slice(1)}`)) : ['{"done":true}'];
    const here = got.map((answer) => JSON.stringify(answer));
    const wanted = DEVIATIONS[data?.workers]?.(pair) ?? expected.map((text) => text.replace(/"data":{"pid":25242}/, `"data":{"pid":${process.pid}}`));
    assert.deepEqual([...here].sort(), [...wanted].sort(), JSON.stringify(frame));
    assert.equal(here.at(-1), wanted.at(-1), JSON.stringify(frame));
    count++;
    if (data?.message === "ask") await until(() => told("ASKDONE") > 0, "the worker's own requests are answered, before it is told to die");
  }
  assert.ok(count > 45, `${count} requests`);
  assert.deepEqual([told('MESSAGE hello {"a":1}'), told('MESSAGE break {"why":"db gone"}'), told("ASKDONE"), told("SIGTERM ignored")], [3, 1, 1, 2]);
  assert.equal(said().filter((line) => line.startsWith("MESSAGE hello-from")).length, 3 + 1 + 3);
});
