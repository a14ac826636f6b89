// Drives the servers of examples/embed/node, each as its users start it, with real clients. They run in build/embed/node, where `npm ci` puts what their
// package-lock.json names; the package tidings is the checkout's.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { cpSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

if (Number(process.versions.node.split(".")[0]) < 20) {
  console.log(`skip: Fastify needs Node 20, and this is ${process.version}`);
  process.exit(0);
}
const root = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "..");
const here = path.join(root, "build", "embed", "node");
const DEADLINE = 60_000; // for what takes milliseconds on a machine that has nothing else to do

/** As `npm ci`, where that has not been done with this lock file. */
function install() {
  cpSync(path.join(root, "examples", "embed", "node"), here, { recursive: true });
  const lock = readFileSync(path.join(here, "package-lock.json"), "utf8");
  const stamp = path.join(here, "installed.json");
  const installed = readdirSync(here).includes("installed.json") ? readFileSync(stamp, "utf8") : undefined;
  if (installed === lock) return;
  execFileSync(process.env.NPM ?? "npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], { cwd: here, stdio: "inherit", timeout: 300_000 });
  writeFileSync(stamp, lock);
}
install();
const { WebSocket } = createRequire(path.join(here, "package.json"))("ws");

const running = new Set();
after(() => running.forEach((child) => child.kill("SIGKILL")));

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function until(condition, what) {
  for (const end = Date.now() + DEADLINE; ; await sleep(5)) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not in time: ${what}`);
  }
}

async function serve(program, ...args) {
  const child = spawn(process.execPath, [path.join(here, program), ...args], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, NODE_TEST_CONTEXT: undefined } });
  running.add(child);
  const server = { out: "", errors: "", ended: undefined };
  child.on("close", (status, signal) => (server.ended = { status, signal }));
  child.stdout.on("data", (data) => (server.out += data));
  child.stderr.on("data", (data) => (server.errors += data));
  server.saw = (text) => server.out.split(text).length - 1;
  server.url = await until(() => {
    if (child.exitCode !== null) throw new Error(`it ended: ${server.errors}`);
    return /^listening on (http:.*)$/m.exec(server.out)?.[1];
  }, "its address");
  server.mostMemory = () => Number(/^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"))[1]) * 1024;
  server.get = async (where, method = "GET") => (await fetch(server.url + where, { method, signal: AbortSignal.timeout(DEADLINE) })).text();
  server.end = async () => {
    child.kill("SIGTERM");
    const end = await until(() => server.ended, "the end");
    assert.deepEqual([end, server.errors], [{ status: 0, signal: null }, ""]);
  };
  return server;
}

/** A client of the stream over a WebSocket: its lines and echoes. */
async function connect(server) {
  const socket = new WebSocket(`${server.url.replace("http", "ws")}/stream`);
  const client = { socket, seqs: [], echoes: [], closed: undefined };
  socket.on("message", (data, binary) => (binary ? client.echoes.push(String(data)) : client.seqs.push(JSON.parse(String(data)).seq)));
  socket.on("error", () => {});
  socket.on("close", (code) => (client.closed = code));
  socket.on("open", () => (client.opened = true));
  await until(() => client.opened, "a connection");
  return client;
}

/** A client of the stream over HTTP. */
async function read(server, pattern) {
  const leaving = new AbortController();
  const response = await fetch(`${server.url}/events`, { signal: leaving.signal });
  const client = { seqs: [], ended: false, stop: () => leaving.abort() };
  (async () => {
    let text = "";
    for await (const part of response.body.pipeThrough(new TextDecoderStream())) {
      const whole = (text + part).split("\n");
      text = whole.pop();
      for (const line of whole) if (line !== "") client.seqs.push(JSON.parse(pattern.exec(line)[1]).seq);
    }
    client.ended = true;
  })().catch((error) => (client.failed = error));
  return client;
}

const inOrder = (seqs) => assert.deepEqual(seqs, seqs.map((_, i) => seqs[0] + i));

test("tsc --strict: the examples are right; the lock file names no place to download from", () => {
  const tsc = path.join(here, "node_modules", "typescript", "bin", "tsc");
  const options = ["--strict", "--noEmit", "--allowJs", "--checkJs", "--target", "es2022", "--module", "nodenext", "--types", "node"];
  const programs = readdirSync(here).filter((name) => name.endsWith(".mjs"));
  assert.ok(programs.length > 3);
  try {
    execFileSync(process.execPath, [tsc, ...options, ...programs], { cwd: here, encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
  assert.doesNotMatch(readFileSync(path.join(here, "package-lock.json"), "utf8"), /"resolved"/);
});

for (const [program, pattern] of [["express_server.mjs", /^data: (.*)$/], ["fastify_server.mjs", /^(.*)$/]]) {
  test(`${program}: every client has every line, echoes beside; who leaves is forgotten; who does not read disturbs nobody`, { timeout: 3 * DEADLINE }, async () => {
    const server = await serve(program, "--interval", "1");
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect(server)));
    const reader = await read(server, pattern);
    const lazy = await connect(server);
    lazy.socket.pause();
    await until(() => [...clients, reader].every(({ seqs }) => seqs.length > 200), "lines for all");
    clients.forEach(({ socket }, i) => socket.send(Buffer.from(`echo ${i}`)));
    await until(() => clients.every(({ echoes }, i) => echoes[0] === `echo ${i}`), "the echoes");
    assert.deepEqual(JSON.parse(await server.get("/now")).clients, 7);

    clients[0].socket.terminate();
    clients[1].socket.close();
    reader.stop();
    await until(() => server.saw("forgot a client (connection closed)") === 3, "three who left");
    const now = JSON.parse(await server.get("/now"));
    assert.equal(now.clients, 4);
    assert.ok(now.mailboxes < 4 + 6, `${now.mailboxes} mailboxes`);
    const before = clients[4].seqs.length;
    await until(() => clients[4].seqs.length > before + 200, "more lines");
    [reader, ...clients].forEach(({ seqs }) => inOrder(seqs));

    const last = await read(server, pattern);
    await until(() => last.seqs.length > 0, "a line");
    assert.equal(await server.get("/stop", "POST"), "stopped\n");
    lazy.socket.resume();
    await until(() => clients.slice(2).every(({ closed }) => closed === 1001) && lazy.closed === 1001 && last.ended, "the ends of the streams");
    const late = await connect(server);
    await until(() => late.closed === 1001, "the news that there is no source");
    assert.deepEqual(late.seqs, []);
    await server.end();
  });

  test(`${program}: who sends without reading is not read from either, and gets every echo in the end`, { timeout: 3 * DEADLINE }, async () => {
    const server = await serve(program, "--interval", "1000");
    const [client, count, mebi] = [await connect(server), 192, 1 << 20];
    let echoed = 0;
    client.socket.removeAllListeners("message").on("message", (data, binary) => (echoed += binary ? data.length : 0));
    const before = server.mostMemory();
    client.socket.pause();
    for (let i = 0; i < count; i++) client.socket.send(Buffer.alloc(mebi));
    for (let left, last = -1; (left = client.socket.bufferedAmount) !== last; last = left) await sleep(500);
    assert.ok(client.socket.bufferedAmount > (count / 2) * mebi, "what the server has not read is with the client");
    client.socket.resume();
    await until(() => echoed === count * mebi, "the echoes");
    assert.ok(server.mostMemory() - before < (count / 2) * mebi, `${(server.mostMemory() - before) / mebi} MiB more than before`);
    client.socket.terminate();
    await server.end();
  });

  test(`${program}: ends with status 0 while streams are live`, { timeout: 3 * DEADLINE }, async () => {
    const server = await serve(program, "--interval", "1");
    const clients = [await connect(server), await read(server, pattern), await connect(server)];
    await until(() => clients.every(({ seqs }) => seqs.length > 5), "lines");
    await server.end();
  });
}

test("cluster.mjs: the workers share the requests; one that crashes is replaced, and no request is lost", { timeout: 3 * DEADLINE }, async () => {
  const server = await serve("cluster.mjs", "--workers", "3");
  const state = async () => JSON.parse(await server.get("/"));
  await until(async () => (await state()).workers === 3, "three workers");
  const ask = async () => JSON.parse(await server.get("/primes/20000"));
  const answers = await Promise.all(Array.from({ length: 60 }, ask));
  assert.ok(answers.every(({ primes }) => primes === 2262));
  assert.deepEqual([...new Set(answers.map(({ worker }) => worker))].sort(), [1, 2, 3]);
  await until(async () => Object.values((await state()).done).reduce((sum, n) => sum + n, 0) === 60, "the tally");

  const under = Array.from({ length: 60 }, ask);
  for (let crashed = 1; crashed <= 3; crashed++) {
    // One may be asked that is just ending: then the answer says so.
    await until(async () => (await server.get("/crash", "POST")) === "sent\n", "one to crash");
    await until(() => server.saw("another one takes its place") === crashed, "another one");
  }
  assert.ok((await Promise.all(under)).every(({ primes }) => primes === 2262));
  await until(async () => (await state()).workers === 3, "three workers again");
  assert.match(server.errors, /TidingsWarning: .*its callback failed with Error: crashed, as asked for/);
  server.errors = "";
  assert.deepEqual([await server.get("/primes/x"), (await ask()).primes], ["there is GET /primes/N, N up to 10000000, GET / and POST /crash\n", 2262]);
  const live = [ask(), ask()].map((answer) => answer.catch(() => {}));
  await server.end();
  await Promise.all(live);
});
