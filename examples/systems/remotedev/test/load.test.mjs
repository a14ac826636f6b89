// The load run and the fault run: nobody suffers from another, and nothing is left when all have gone.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { WebSocket } from "ws";
import { client } from "./clients.mjs";
import { inside, node, openFiles, serve, settled, sleep, until, within } from "./support.mjs";

const KIND = "socketcluster-client 14.3.2";
const SECONDS = 8;

/** How it stands before anyone comes; `leaves()` waits until it stands so again. */
async function empty(server) {
  await settled(server.engine);
  const state = () => JSON.stringify({ ...inside(server.engine), connections: server.cluster.connections.size });
  const [before, files] = [state(), openFiles()];
  return { leaves: () => until(() => state() === before && openFiles() <= files, () => `what is left: ${before}, ${files} files -> ${state()}, ${openFiles()} files`, 20_000) };
}

async function monitoring(t, server) {
  const monitor = await client(t, KIND, server);
  monitor.heard = await monitor.subscribe(await monitor.ask("login", {}));
  return monitor;
}

/** A bare connection that has shaken hands and listens to "log". */
async function bare({ port }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socketcluster/`);
  const got = [];
  socket.on("error", () => {});
  socket.on("message", (data) => got.push(data.toString()));
  socket.on("open", () => socket.send('[{"event":"#handshake","cid":1},{"event":"#subscribe","data":"log","cid":2}]'));
  await until(() => got.includes('{"rid":2}'), "a subscription");
  return socket;
}

test("C19: a thousand subscribers are served at saturation beside one that does not read, which is dropped", async (t) => {
  const server = await serve(t, { pingInterval: 1_000, pingTimeout: 5_000 });
  const room = await empty(server);
  const load = node(t, ["load.cjs", String(server.port), "1000", String(SECONDS), "1000"]);
  let most = 0;
  await until(() => ((most = Math.max(most, server.engine.stats().queuedBytes)), load.lines[0]), () => load.told(), 60_000);
  const figures = JSON.parse(load.lines[0]);
  t.diagnostic(`${JSON.stringify(figures)}, at most ${(most / 2 ** 20).toFixed(1)} MiB queued`);
  assert.deepEqual([figures.lost, figures.missing], [0, 0]);
  assert.ok(figures.published > 20);
  await until(() => server.cluster.connections.size === figures.subscribers, "the end of the one that does not read");
  load.child.kill("SIGKILL"); // a thousand at once
  await room.leaves();
});

test("C19: a slow reader is out when its bound is reached, and what waits for it is never more", async (t) => {
  const bound = 2 ** 20;
  const server = await serve(t, { maxBytes: bound });
  const room = await empty(server);
  const healthy = await monitoring(t, server);
  const slow = await bare(server);
  slow.pause();
  const teller = await client(t, KIND, server);
  let sent = 0;
  for (let most = 0; server.cluster.connections.size === 3; assert.ok(most <= bound + 2 ** 18, `${most}`)) {
    teller.tell("log", { n: ++sent, text: "x".repeat(64_000) });
    await until(() => healthy.heard.length === sent, "the healthy one's copy");
    most = Math.max(most, server.engine.stats().queuedBytes);
    assert.ok(sent < 1_000, "it must be out at some time");
  }
  t.diagnostic(`out after ${sent} publications of 64 kB`);
  teller.tell("log", "last");
  await until(() => healthy.heard.at(-1) === "last", "the last");
  assert.equal(healthy.heard.length, sent + 1);
  for (const one of [teller, healthy]) one.leave();
  slow.terminate();
  await room.leaves();
});

test("C19: who has missed something is disconnected, so that it can begin anew", async (t) => {
  const server = await serve(t, { maxBytes: 2 ** 16 });
  const listener = await bare(server);
  const app = await bare(server);
  const ends = Promise.all([listener, app].map((socket) => new Promise((resolve) => socket.once("close", resolve))));
  const id = [...server.cluster.connections][0].id;
  app.send(JSON.stringify({ event: "log", data: "x".repeat(2 ** 17) })); // longer than a mailbox holds
  app.send('{"event":"log","data":"in its place"}');
  assert.deepEqual(await within(ends, "both ends"), [1006, 1006]);

  const [alone, monitor] = [await bare(server), await bare(server)];
  const gone = new Promise((resolve) => alone.once("close", resolve));
  alone.send('{"event":"login","data":"master"}');
  const [first] = server.cluster.connections;
  assert.notEqual(first.id, id);
  await until(() => first.direct === "respond", "the login");
  monitor.send(JSON.stringify({ event: "nothing", data: "x".repeat(2 ** 17) }));
  monitor.send(JSON.stringify({ event: `sc-${first.id}`, data: "x".repeat(2 ** 17) }));
  assert.equal(await within(gone, "the end of the one that it was for"), 1006);
  assert.equal(server.cluster.connections.size, 1);
  monitor.terminate();
});

test("C19: who floods is read only as fast as the others get it", async (t) => {
  const server = await serve(t, { maxMessages: 2_000 });
  const listeners = await Promise.all(Array.from({ length: 20 }, () => bare(server)));
  let got = 0;
  for (const socket of listeners) socket.on("message", (data) => (got += data.includes("flood")));
  const flooding = await bare(server);
  const FRAMES = 20_000;
  const packet = (n) => `{"event":"log","data":{"type":"flood","n":${n}}}`;
  for (let n = 0; n < FRAMES / 2; n++) flooding.send(packet(n));
  flooding.send(`[${Array.from({ length: FRAMES / 2 }, (_, n) => packet(n))}]`); // in one frame
  await until(() => got === FRAMES * listeners.length, () => `${got} of ${FRAMES * listeners.length}`, 60_000);
  assert.equal(server.cluster.connections.size, listeners.length + 1);
  for (const socket of [...listeners, flooding]) socket.terminate();
});

test("faults: clients that are killed, garbage, half frames and huge ones leave nothing behind and disturb nobody", async (t) => {
  const server = await serve(t, { maxPayload: 2 ** 20, handshakeTimeout: 1_000, pingInterval: 1_000, pingTimeout: 3_000 });
  const room = await empty(server);
  const bystander = await monitoring(t, server);
  const teller = await client(t, KIND, server);
  let told = 0;
  const undisturbed = async () => {
    teller.tell("log", { told: ++told });
    await until(() => bystander.heard.filter((message) => message.told).length === told, "the bystander's copy");
  };

  for (let round = 0; round < 3; round++) {
    const load = node(t, ["load.cjs", String(server.port), "100", "60", "1000"]);
    const programs = [node(t, ["app.cjs", String(server.port), "1000", "20"]), node(t, ["monitor.cjs", String(server.port)])];
    await until(() => server.cluster.connections.size >= 100 + 5, () => [load, ...programs].map(({ told }) => told()).join("\n"));
    await sleep(300);
    for (const { child } of [load, ...programs]) child.kill("SIGKILL");
    await until(() => server.cluster.connections.size === 2, "the end of the killed");
    await undisturbed();
  }

  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`SEED=${seed}`);
  const sockets = garbage(server.port, seed);
  await sleep(500);
  await undisturbed();
  const huge = await bare(server);
  const closed = new Promise((resolve) => huge.once("close", resolve));
  huge.send("x".repeat(2 ** 20 + 1));
  assert.equal(await closed, 1009);
  await until(() => server.cluster.connections.size === 2, "the end of those that say nothing", 10_000); // their deadlines
  await undisturbed();
  for (const socket of sockets) socket.destroy();

  for (const one of [bystander, teller]) one.leave();
  await room.leaves();
});

test("faults: clients of a server that is killed in the midst of it come again, and get the next publication", async (t) => {
  const listen = async (port) => {
    const server = node(t, ["../main.mjs", "--port", String(port)]);
    return { server, port: Number(await until(() => /:(\d+)$/.exec(server.lines[0])?.[1], () => server.told())) };
  };
  const { server, port } = await listen(0);
  const options = { autoReconnect: true, autoReconnectOptions: { initialDelay: 200, randomness: 100, multiplier: 1.2, maxDelay: 500 } };
  const clients = [];
  for (let n = 0; n < 30; n++) {
    const one = await client(t, n % 2 === 0 ? KIND : "socketcluster-client 20.0.2", { port }, options);
    one.heard = await one.subscribe("log");
    clients.push(one);
  }
  const busy = setInterval(() => clients[0].tell("log", "busy"), 1);
  t.after(() => clearInterval(busy));
  await until(() => clients.every(({ heard }) => heard.length > 20), "some publications");
  server.child.kill("SIGKILL");
  await server.ended;
  clearInterval(busy);
  await until(() => clients.every(({ state }) => state !== "open"), "the end of all connections");
  await listen(port);
  await until(() => clients.every(({ state, channel }) => state === "open" && channel.state === "subscribed"), "all of them again");
  clients[1].tell("log", "again");
  await until(() => clients.every(({ heard }) => heard.at(-1) === "again"), "the next publication");
});

/** Bytes of every sort, before and after a good upgrade; some connections stay as they are. */
function garbage(port, seed) {
  let state = seed;
  const random = (below) => (state = (state * 1103515245 + 12345) % 2 ** 31) % below;
  const bytes = (size) => Buffer.from(Array.from({ length: size }, () => random(256)));
  const upgrade = "GET /socketcluster/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";
  const half = Buffer.from([0x81, 0xfe, 0x10, 0x00, 1, 2, 3, 4, 5]); // of a masked frame of 4096 bytes
  const unmasked = Buffer.from([0x81, 0x02, 0x7b, 0x7d]);
  const begins = [bytes(200), "GET / HT", upgrade.slice(0, 60), upgrade, Buffer.concat([Buffer.from(upgrade), half]), Buffer.concat([Buffer.from(upgrade), unmasked])];
  return Array.from({ length: 120 }, (_, n) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(begins[n % begins.length]);
    if (n % 3 === 0) socket.write(bytes(random(2_000)));
    if (n % 4 === 0) setTimeout(() => (n % 8 === 0 ? socket.destroy() : socket.end()), random(300));
    return socket;
  });
}
