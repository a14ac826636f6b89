// The command line: what it prints is what was recorded.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serve } from "./daemons.mjs";
import { node, until, within } from "./support.mjs";

/** A daemon with a worker that stands by, and its workers in the order in which the status has them. */
async function withStandby(t) {
  const daemon = await serve(t, { standby: 1 });
  await until(() => daemon.workers().filter(({ state }) => state === "online" || state === "suspended").length === 4, "all workers");
  const place = ({ idx }) => idx ?? Infinity;
  return { daemon, ipc: daemon.path, workers: daemon.workers().sort((one, other) => place(one) - place(other)) };
}

/** Runs a command; what it has printed, and its status. */
async function command(t, ipc, ...args) {
  const { lines, errors, ended } = node(t, ["../cli.mjs", ...args, "--ipc", ipc]);
  const status = await within(ended, args.join(" "));
  return { lines, errors, status };
}

const PRINTED = [
  // specifier, indices of those that answer
  ["0", [0]],
  ["0,2", [0, 2]],
  [" 0 , 2 ", [0, 2]],
  ["1-2", [1, 2]],
  ["-1", [0, 1]],
  ["-", [0, 1, 2]],
  ["!0", [1, 2]],
  ["!0,!1", [0, 1, 2]],
  ["self", []],
  ["7", []],
  ["zzz", []],
  ["", []],
  ["5-1", []],
];

test("E8: specifiers on the command line", async (t) => {
  const { ipc, workers } = await withStandby(t);
  const rows = [...PRINTED, [workers[1].id, [1]], [workers[1].id.toUpperCase(), [1]], [`$${workers[3].pid}`, [3]], [`!$${workers[1].pid}`, [0, 2, 3]]];
  for (const [specifier, selected] of rows) {
    const { lines, errors, status } = await command(t, ipc, "send-req", "string", `--workers=${specifier}`);
    const expected = selected.map((n) => `${workers[n].id} (${workers[n].pid}) | reply`);
    assert.deepEqual({ lines: lines.sort(), errors, status }, { lines: expected.sort(), errors: [], status: 0 }, specifier);
  }
});

test("E3: replies of every sort are printed as recorded", async (t) => {
  const { ipc, workers } = await withStandby(t);
  const [{ id, pid }] = workers;
  const printed = async (...args) => (await command(t, ipc, "send-req", ...args, "--workers", "0")).lines;
  const below = " ".repeat(7 + String(pid).length);
  assert.deepEqual(await printed("echo", '{"n":1}'), [`${id} (${pid}) | {`, `${below} |   "echo": {`, `${below} |     "n": 1`, `${below} |   }`, `${below} | }`]);
  assert.deepEqual(await printed("string"), [`${id} (${pid}) | reply`]);
  assert.deepEqual(await printed("nothing"), [`${id} (${pid}) | (empty reply)`]);
  assert.deepEqual(await printed("slowstream"), [1, 2, 3].map((n) => `${id} (${pid}) | reply ${n}`));
  assert.deepEqual(await printed("fail"), [`${id} (${pid}) | Error: boom ${id.slice(-5)}`]);
  assert.deepEqual(await printed("nosuch"), [`${id} (${pid}) | Error: Unhandled application request: nosuch`]);
});

test("E2: a message from the command line, whose data must be an object", async (t) => {
  const { daemon, ipc, workers } = await withStandby(t);
  assert.deepEqual(await command(t, ipc, "send-msg", "hello", '{"a":1}'), { lines: [], errors: [], status: 0 });
  const heard = () => daemon.said().filter((line) => line.includes("MESSAGE"));
  await until(() => heard().length === 3, "three of them");
  assert.deepEqual(heard().sort(), workers.slice(0, 3).map(({ id }) => `${id.slice(-5)} MESSAGE hello {"a":1}`).sort());
  for (const data of ["3", "null", "[]", '"x"', "{", ""]) {
    for (const what of ["send-msg", "send-req"]) {
      const { lines, errors, status } = await command(t, ipc, what, "hello", data);
      assert.deepEqual({ lines, status }, { lines: [], status: 1 });
      assert.match(errors.join(), /A JSON object must be specified/);
    }
  }
});

test("E17: the status as a table, and where no daemon is", async (t) => {
  const { ipc, workers } = await withStandby(t);
  const { lines, status } = await command(t, ipc, "status");
  assert.equal(status, 0);
  assert.match(lines[0], /^Nodesockd daemon \S+ is running with PID \d+ since [\d ]\d\/\d\d [\d ]\d:\d\d:\d\d\.$/);
  assert.deepEqual(lines.slice(1, 4), ["", "Workers:", ""]);
  const wide = String(workers[0].pid).length;
  assert.equal(lines[4], `| # | ID    | ${"PID".padEnd(wide)} | State                        |`);
  assert.equal(lines[5], `|---|-------|${"-".repeat(wide + 2)}|------------------------------|`);
  workers.forEach(({ id, pid, idx }, n) => {
    const state = idx === undefined ? "suspended" : "online";
    const row = `| ${idx ?? " "} | ${id.slice(-5)} | ${pid} | ${state.padEnd(11)} (`;
    assert.equal(lines[6 + n].slice(0, row.length), row);
    assert.equal(lines[6 + n].length, lines[4].length);
  });
  const nobody = await command(t, `${ipc}.not`, "status");
  assert.deepEqual([nobody.lines, nobody.status], [[], 1]);
  assert.match(nobody.errors.join(), /^No daemon listens at /);
});
