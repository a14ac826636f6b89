// The examples, as a user runs them.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import path from "node:path";
import { after, test } from "node:test";
import { examples, packageRoot, runNode, scratchFolder, sleep, until } from "../testing/support.mjs";

// A folder where "tidings" is installed, with the examples in it.
const here = scratchFolder();
mkdirSync(path.join(here, "node_modules"));
symlinkSync(packageRoot, path.join(here, "node_modules", "tidings"));
cpSync(examples, here, { recursive: true });

const running = new Set();
after(() => running.forEach((child) => child.kill("SIGKILL")));

async function serve(...args) {
  const child = spawn(process.execPath, [path.join(here, "data_stream.mjs"), ...args], { stdio: ["ignore", "pipe", "inherit"] });
  running.add(child);
  const server = { child, text: "", exited: new Promise((resolve) => child.on("exit", (status, signal) => resolve({ status, signal }))) };
  child.stdout.on("data", (data) => (server.text += data));
  await until(() => server.text.includes("\n"), "the server's first line");
  server.url = /^listening on (http:\/\/127\.0\.0\.1:\d+)\n/.exec(server.text)[1];
  server.saw = (line) => until(() => server.text.split("\n").includes(line), `the server to print: ${line}`);
  return server;
}

function request(url, method = "GET") {
  return new Promise((resolve, reject) => {
    http
      .request(url, { method }, (response) => {
        const got = { response, status: response.statusCode, text: "", ended: false };
        response.on("data", (data) => (got.text += data));
        response.on("end", () => (got.ended = true));
        response.on("error", (error) => (got.error = error));
        got.lines = () => got.text.split("\n").slice(0, -1);
        resolve(got);
      })
      .on("error", reject)
      .end();
  });
}

test("chat.mjs prints what happens in the room", async () => {
  const { status, stdout, stderr } = await runNode([path.join(here, "chat.mjs")], { limit: 20_000 });
  assert.deepEqual(
    { status, stderr, lines: stdout.split("\n") },
    {
      status: 0,
      stderr: "",
      lines: [
        "[alice] bob has joined the room",
        "[bob] carol has joined the room",
        "[alice] carol has joined the room",
        "[carol] alice: hello",
        "[bob] alice: hello",
        "[mallory] you are not in the room",
        "[carol] bob has left the room",
        "[alice] bob has left the room",
        "[alice] carol has left the room",
        "the room is empty",
        "",
      ],
    },
  );
});

test("data_stream.mjs: the same lines for all, a client that goes is forgotten, the end of the source ends the streams", async () => {
  const server = await serve("--interval", "20");
  const one = await request(`${server.url}/stream`);
  const other = await request(`${server.url}/stream`);
  assert.equal(one.response.headers["transfer-encoding"], "chunked");
  await until(() => one.lines().length >= 5 && other.lines().length >= 5, "five lines each");
  const shared = other.lines().filter((line) => one.lines().includes(line));
  assert.ok(shared.length >= 4, "the same bytes for the same seq");
  const line = JSON.parse(one.lines()[0]);
  assert.deepEqual(Object.keys(line), ["seq", "time_ms", "load1", "mem_available_kib", "rx_bytes", "tx_bytes"]);
  assert.ok(Math.abs(line.time_ms - Date.now()) < 10_000 && line.mem_available_kib > 0 && line.load1 >= 0 && line.rx_bytes >= 0);
  await server.saw("client 1 joined");
  await server.saw("client 2 joined");
  one.response.on("error", () => {});
  one.response.destroy();
  await server.saw("forgot client 1 (connection closed)");
  const had = other.lines().length;
  await until(() => other.lines().length >= had + 5, "the other stream to go on");
  const numbers = other.lines().map((text) => JSON.parse(text).seq);
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] + i), "without a gap");
  const stopped = await request(`${server.url}/stop`, "POST");
  await until(() => stopped.ended && other.ended, "the streams to end");
  assert.deepEqual([stopped.status, stopped.text, other.error], [200, "stopped\n", undefined]);
  await server.saw("source stopped");
  const empty = await request(`${server.url}/stream`);
  await until(() => empty.ended, "an empty stream", 1000);
  assert.deepEqual([empty.status, empty.text, empty.response.headers["transfer-encoding"]], [200, "", "chunked"]);
  assert.deepEqual([(await request(`${server.url}/x`)).status, (await request(`${server.url}/stop`)).status], [404, 405]);
  server.child.kill("SIGTERM");
  assert.deepEqual(await server.exited, { status: 0, signal: null });
});

test("data_stream.mjs: a client that reads nothing disturbs nobody and costs no memory; SIGINT with live streams is status 0", async () => {
  const server = await serve("--interval", "1");
  const slow = net.connect(Number(new URL(server.url).port), "127.0.0.1");
  slow.on("error", () => {});
  slow.write("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
  slow.pause();
  const fast = await request(`${server.url}/stream`);
  const before = memory(server.child.pid);
  await sleep(3000);
  const numbers = fast.lines().map((text) => JSON.parse(text).seq);
  assert.ok(numbers.length > 1000, `${numbers.length} lines`);
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0] + i), "the fast one misses nothing");
  assert.ok(memory(server.child.pid) - before < 64 * 1024, "the slow one costs no memory to speak of");
  server.child.kill("SIGINT");
  assert.deepEqual(await server.exited, { status: 0, signal: null });
  slow.destroy();
});

const memory = (pid) => Number(/VmRSS:\s*(\d+)/.exec(readStatus(pid))[1]);
const readStatus = (pid) => readFileSync(`/proc/${pid}/status`, "latin1");

test("data_stream.mjs: without a /proc it says so, with status 1", async () => {
  const hide = path.join(here, "hide_proc.cjs");
  writeFileSync(
    hide,
    `const fs = require("node:fs"); const read = fs.readFileSync;
     fs.readFileSync = (file, ...rest) => read(String(file).startsWith("/proc/") ? "/no" + file : file, ...rest);
     require("node:module").syncBuiltinESMExports();`,
  );
  const { status, stdout, stderr } = await runNode(["-r", hide, path.join(here, "data_stream.mjs")], { limit: 20_000 });
  assert.deepEqual([status, stdout], [1, ""]);
  assert.match(stderr, /^data_stream: this example shows figures of a Linux \/proc: .*no such file/);
});

test("data_stream.mjs: a bad option or a port that is taken is a message and status 1", async () => {
  const run = (...args) => runNode([path.join(here, "data_stream.mjs"), ...args], { limit: 20_000 });
  const bad = await run("--interval", "soon");
  assert.deepEqual([bad.status, bad.stderr], [1, "data_stream: --interval must be a whole number from 1 to 86400000, not soon\n"]);
  assert.equal((await run("--colour", "red")).status, 1);
  const server = await serve();
  const taken = await run("--port", new URL(server.url).port);
  assert.equal(taken.status, 1);
  assert.match(taken.stderr, /data_stream: cannot listen on port \d+: .*EADDRINUSE/);
  server.child.kill("SIGTERM");
  await server.exited;
});
