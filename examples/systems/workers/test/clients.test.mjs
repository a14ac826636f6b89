// The clients in Node, Python and C: one session, the same lines.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";
import { apart } from "./daemons.mjs";
import { here, run, until, within } from "./support.mjs";

const clients = path.join(here, "../clients");
const { CC = "cc", PYTHON = "python3" } = process.env;

/** What a session prints; the daemon is killed in its midst. */
async function session(t, command, args) {
  const daemon = await apart(t, { standby: 1 });
  const serving = (await daemon.workers()).filter(({ idx }) => idx !== undefined).sort((one, other) => one.idx - other.idx);
  const { lines, ended, told } = run(t, command, [...args, daemon.path, path.join(daemon.folder, "nobody.ipc")]);
  await Promise.race([until(() => lines.includes('["endless"]'), told), ended]);
  daemon.child.kill("SIGKILL");
  assert.equal(await within(ended, "the client's end"), 0, told());
  assert.deepEqual(lines.map((line) => JSON.parse(line)), [
    ["connect", "IpcConnectError"],
    ["status", 4],
    ["message"],
    ["echo", serving.map(({ id, pid }) => [id, pid, { echo: { n: 1 } }]).sort()],
    ["none", []],
    ["empty", [null]],
    ["stream", ["reply 1", "reply 2", "reply 3"]],
    ["left", 3],
    ["given up"],
    ["fail", [["Unhandled application request: nosuch"]]],
    ["refused", ["Unknown IPC request type 'bogus'"]],
    ["count", [1_000, 1_000, 1_000]],
    ["endless"],
    ["closed", "IpcClosedError"],
  ]);
  const heard = daemon.said().filter((line) => line.includes("MESSAGE"));
  assert.deepEqual(heard.sort(), serving.slice(0, 2).map(({ id }) => `${id.slice(-5)} MESSAGE hello {"a":1}`).sort());
}

test("E17: the client for Node", (t) => session(t, process.execPath, ["client.mjs"]));

test("E17: the client for Python", (t) => session(t, PYTHON, ["client.py"]));

test("E17: the client for C", async (t) => {
  const flags = spawnSync("pkg-config", ["--cflags", "--libs", "jansson"], { encoding: "utf8" });
  if (flags.status !== 0) return t.skip("no libjansson-dev here");
  const program = path.join(here, "../../../../build/systems/workers-client");
  const sources = [path.join(here, "client.c"), path.join(clients, "c/workers_client.c")];
  const warnings = ["-std=c99", "-g", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wstrict-prototypes", "-Werror"];
  spawnSync("mkdir", ["-p", path.dirname(program)]);
  const built = spawnSync(CC, [...warnings, ...sources, "-o", program, ...flags.stdout.trim().split(/\s+/)], { encoding: "utf8" });
  assert.equal(built.status, 0, built.stderr);
  const valgrind = ["valgrind", "-q", "--leak-check=full", "--error-exitcode=9", program];
  const [command, ...args] = spawnSync("valgrind", ["--version"]).status === 0 ? valgrind : [program];
  await session(t, command, args);
});
