// SocketCluster's protocol: frames as recorded from the real server, and what its clients make of calls, tokens and kicks.
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { WebSocket } from "ws";
import { client, everyKind } from "./clients.mjs";
import { replay, sections } from "./replay.mjs";
import { inside, serveRules, settled, sleep, until, within } from "./support.mjs";

const QUIET = 150;
const recorded = sections("socketcluster-server-14.7.2.txt");
const RECORDED = { handshakeTimeout: 1500, ackTimeout: 800, pingInterval: 1000, pingTimeout: 2500, socketChannelLimit: 3, maxPayload: 2000 };

/** The program that the real server ran when it was recorded. */
const answers = [];
const probe = {
  event(connection, name, data, respond) {
    const events = {
      echo: () => respond(null, data),
      fail: () => respond(Object.assign(new Error("nope"), { name: "MyError", extra: 42 })),
      failstr: () => respond("plain string"),
      login: () => (connection.setAuthToken({ username: data }), respond()),
      logout: () => (connection.deauthenticate(), respond()),
      kickme: () => (connection.kickOut(data, "bye"), respond()),
      bye: () => connection.disconnect(4321, "custom"),
      bin: () => respond(null, Buffer.from([1, 2, 3])),
      doubleack: () => (respond(null, 1), respond(null, 2)),
      ask: () => {
        connection.invoke("question", data).then(
          (answer) => answers.push(answer),
          (error) => answers.push(error.name),
        );
        respond();
      },
    };
    if (Object.hasOwn(events, name)) events[name]();
  },
  guard(connection, action, name) {
    if (action === "subscribe" && name === "secret") throw new Error("not allowed");
    if (action === "subscribe" && name === "silent") return false;
    if (action === "emit" && name === "blocked") throw new Error("emit blocked");
    if (action === "publishIn" && name === "ro") throw new Error("read only");
    return true;
  },
};

for (const title of ["frame before handshake (strictHandshake)", "no handshake -> timeout", "handshake without cid"]) {
  test(`C12: ${title}, as the real server`, async (t) => {
    const { port } = await serveRules(t, RECORDED, probe);
    await replay(recorded.get(title), port);
  });
}

test("C13: bad and good packets have the real server's answers, and disturb nobody", async (t) => {
  const { port, engine } = await serveRules(t, RECORDED, probe);
  const bystander = await client(t, "socketcluster-client 14.3.2", { port });
  const got = await bystander.subscribe("ch3"); // one of the channels of the recording
  await settled(engine);
  const before = inside(engine);
  answers.length = 0;

  const connections = await replay(recorded.get("normal"), port);
  await replay(recorded.get("server ask without answer -> ack timeout 800ms"), port, connections);
  await until(() => answers.length === 2, "both questions");
  assert.deepEqual(answers, ["answer", "TimeoutError"]);
  connections.get("c").socket.send(Buffer.from('{"event":"echo","data":"bin","cid":41}')); // a binary frame
  await replay(recorded.get("binary frame"), port, connections);
  for (const title of ["two subscribers + ordering", "oversize payload (maxPayload 2000)", "server disconnect with code", "client sends #disconnect"]) {
    await replay(recorded.get(title), port, connections);
  }

  await bystander.publish("ch3", "still here");
  assert.deepEqual([got, bystander.state], [["still here"], "open"]);
  await until(() => JSON.stringify(inside(engine)) === JSON.stringify(before), () => `what is left: ${JSON.stringify([before, inside(engine)])}`);
});

test("C13: packets that nobody would send harm only their sender, if anyone", async (t) => {
  const { port, cluster } = await serveRules(t, { maxPayload: 2 ** 20 }, probe);
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socketcluster/`);
  const got = [];
  socket.on("message", (data) => got.push(data.toString()));
  await new Promise((resolve) => socket.once("open", resolve));
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  const packets = [
    '{"event":"#handshake","data":7,"cid":1}', "{", "[", "null", "[null,1,[[]],{}]", "\u0000", '{"event":5,"cid":2}', '{"event":{},"rid":{}}', '{"rid":"__proto__"}', '{"event":"toString","cid":3}',
    '{"event":"__proto__","cid":3}', `{"event":"echo","data":${deep},"cid":4}`, `{"event":"echo","data":1,"cid":${deep}}`, `{"rid":1,"data":${deep}}`, deep,
    '{"event":"#unsubscribe","data":{"toString":1},"cid":5}', '{"event":"#subscribe","data":null,"cid":6}', '{"event":"#subscribe","data":{"channel":"a..b*>  \ud800"},"cid":7}',
    `{"event":"#subscribe","data":"${"x".repeat(2000)}","cid":8}`, '{"event":"#publish","data":null,"cid":9}', '{"event":"#publish","data":{"channel":"a..b*>  \ud800","data":"odd"},"cid":10}',
    '{"event":"#subscribe","data":"","cid":11}', '{"event":"#authenticate","cid":12}', '{"event":"#disconnect","data":{"code":"x"}}',
  ];
  for (const packet of packets) socket.send(packet);
  const closed = await within(new Promise((resolve) => socket.once("close", resolve)), "the end");
  assert.equal(closed, 1000);
  const rids = got.map((text) => JSON.parse(text)).filter(({ rid }) => rid !== undefined);
  const refused = rids.filter(({ error }) => error !== undefined).map(({ rid }) => rid);
  assert.deepEqual(rids.map(({ rid }) => rid), [1, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(refused, [4, 5, 6, 8, 9, 12]);
  assert.equal(got.filter((text) => text.includes('"odd"')).length, 1);
  assert.equal(cluster.connections.size, 0);
});

test("C13: another path is a bad request", async (t) => {
  const { port } = await serveRules(t, {}, probe);
  const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version": "13" };
  const status = await within(new Promise((resolve) => request({ port, path: "/other/", headers }, (response) => resolve(response.statusCode)).end()), "a response");
  assert.equal(status, 400);
});

test("C10: who never answers a ping is closed with 4001, as by the real server", async (t) => {
  const { port } = await serveRules(t, RECORDED, probe);
  await replay(recorded.get("client never pongs"), port);
});

// ---------------------------------------------------------------- with clients of others

const javascript = ["socketcluster-client 14.3.2", "socketcluster-client 20.0.2"];
const only = (cluster) => [...cluster.connections][0];

for (const kind of javascript) {
  test(`C15: ${kind} gets a token, shows it again, and loses it`, async (t) => {
    const server = await serveRules(t, { pingInterval: 200 }, probe);
    const { cluster } = server;
    const one = await client(t, kind, server);
    const states = () => one.events.filter(([name]) => name === "authStateChange").map(([, change]) => change.newState ?? change.newAuthState);
    await one.ask("login", "bob");
    await until(() => states().length === 1, "authenticated");
    assert.equal(one.socket.authToken.username, "bob");
    assert.equal(only(cluster).authToken.username, "bob");
    assert.ok(only(cluster).authToken.exp - only(cluster).authToken.iat === 86_400);

    const good = cluster.tokens.sign({ username: "ann" });
    const status = await one.authenticate(good);
    assert.ok(status.isAuthenticated);
    assert.equal(only(cluster).authToken.username, "ann");

    one.socket.disconnect();
    await until(() => cluster.connections.size === 0, "gone");
    one.socket.connect();
    await until(() => only(cluster)?.authToken?.username === "ann", "back, with the token in the handshake");

    await assert.rejects(one.authenticate("garbage"), { name: "AuthTokenInvalidError", message: "jwt malformed" });
    assert.equal(only(cluster).authToken, null);
    await assert.rejects(one.authenticate(cluster.tokens.sign({ username: "old" }, { expiresIn: -10 })), { name: "AuthTokenExpiredError", message: "jwt expired" });
    await assert.rejects(one.authenticate(good.slice(0, -3) + "AAA"), { name: "AuthTokenInvalidError" });

    await one.ask("login", "bob");
    await one.ask("logout");
    await until(() => one.socket.authState === "unauthenticated", "deauthenticated by the server");
    await one.ask("login", "bob");
    await until(() => one.socket.authState === "authenticated", "authenticated again");
    one.socket.deauthenticate();
    await until(() => only(cluster).authToken === null, "deauthenticated by itself");

    only(cluster).setAuthToken({ username: "brief" }, { expiresIn: 1 });
    await until(() => one.socket.authState === "authenticated", "authenticated for a second");
    await until(() => one.socket.authState === "unauthenticated", "the second is over");
    assert.equal(only(cluster).authToken, null);
    assert.ok(states().includes("authenticated") && states().includes("unauthenticated"));
  });

  test(`C16: ${kind} is put out of a channel`, async (t) => {
    const server = await serveRules(t, {}, probe);
    const one = await client(t, kind, server);
    const other = await client(t, kind, server);
    const got = await one.subscribe("news");
    const others = await other.subscribe("news");
    server.cluster.publish("news", 1);
    await until(() => got.length === 1 && others.length === 1, "the first");
    server.cluster.publish("news", "queued when it is kicked, so it does not come");
    only(server.cluster).kickOut("news", "bye");
    server.cluster.publish("news", 2);
    await until(() => others.length === 3, "all of them for the other");
    await until(() => one.events.some(([name]) => name === "unsubscribe"), "unsubscribe");
    await sleep(QUIET);
    const kick = one.events.find(([name]) => name === "kickOut");
    assert.match(JSON.stringify(kick), /bye.*news|news.*bye/);
    assert.deepEqual(got, [1]);
    assert.deepEqual(only(server.cluster).subscriptions, []);
  });

  test(`C17: the server asks ${kind}, which answers, with an error too, or does not`, async (t) => {
    const server = await serveRules(t, { ackTimeout: 300 }, probe);
    const one = await client(t, kind, server);
    one.answer("question", (data, respond) => (data === "bad" ? respond(Object.assign(new Error("no idea"), { name: "Ignorance" })) : respond(null, { to: data })));
    let late;
    one.answer("slow", (data, respond) => (late = () => respond(null, "late")));
    const connection = only(server.cluster);
    assert.deepEqual(await connection.invoke("question", "q"), { to: "q" });
    await assert.rejects(connection.invoke("question", "bad"), { name: "Ignorance", message: "no idea" });
    await assert.rejects(connection.invoke("slow", 1), { name: "TimeoutError", message: "Event response for 'slow' timed out" });
    late();
    assert.deepEqual(await connection.invoke("question", "after the late one"), { to: "after the late one" });
    const unanswered = connection.invoke("slow", 2, { timeout: 10_000 });
    one.leave();
    await assert.rejects(within(unanswered, "the end of the call"), { name: "BadConnectionError" });
  });
}

test("C17: the server asks socketclusterclient 1.3.0, whose answers have an error of null", async (t) => {
  const server = await serveRules(t, {}, probe);
  const one = await client(t, everyKind.find((kind) => kind.startsWith("socketclusterclient ")), server);
  one.answer("question", { n: 1 });
  assert.equal(await one.ask("echo", "in order"), "in order");
  assert.deepEqual(await only(server.cluster).invoke("question", "q"), { n: 1 });
});
