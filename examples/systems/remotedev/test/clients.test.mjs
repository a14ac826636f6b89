// The checks that every client of others must pass.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, everyKind } from "./clients.mjs";
import { serve, sleep, until } from "./support.mjs";

const QUIET = 150; // ms in which something that must not come would have come

for (const kind of everyKind) {
  test(`C1: ${kind} connects, and is told its id`, async (t) => {
    const server = await serve(t);
    const one = await client(t, kind, server);
    assert.match(one.id, /^[A-Za-z0-9_-]{20}$/);
    assert.equal(one.handshake.isAuthenticated, false);
    if (one.handshake.pingTimeout !== undefined) assert.equal(one.handshake.pingTimeout, 20_000);
    assert.ok(one.events.some(([name]) => name === "connect"));
    assert.equal(server.cluster.connections.size, 1);
  });

  test(`C2: ${kind} logs in as either side, twice if it likes`, async (t) => {
    const server = await serve(t);
    const one = await client(t, kind, server);
    for (const [credentials, channel] of [["master", "respond"], [{}, "log"], ["", "log"], ["master", "respond"], ["master", "respond"]]) {
      assert.equal(await one.ask("login", credentials), channel);
    }
  });

  test(`C3: ${kind} watches, and a monitor's START comes through the channel`, async (t) => {
    const { app, heard, direct, monitor } = await pair(t, kind);
    monitor.tell("respond", { type: "START" });
    await until(() => heard.length > 0, "the START");
    assert.deepEqual(heard, [{ type: "START" }]);
    if (direct !== heard) assert.deepEqual(direct, []);
    app.tell("log", { type: "START", id: app.id });
    await until(() => monitor.heard.length > 0, "the app's START");
    assert.deepEqual(monitor.heard, [{ type: "START", id: app.id }]);
  });

  test(`C4: what ${kind} sends to one app comes to that app alone, as an event`, async (t) => {
    const { server, app, heard, direct, monitor } = await pair(t, kind);
    const other = await loggedIn(t, kind, server, "master");
    const order = { type: "DISPATCH", action: { type: "JUMP_TO_STATE", index: 2 } };
    monitor.tell(`sc-${app.id}`, order);
    monitor.tell("sc-nobody", order);
    await until(() => direct.length > 0, "the order");
    await sleep(QUIET);
    assert.deepEqual([direct, other.direct, other.heard], [[order], [], []]);
    if (heard !== direct) assert.deepEqual(heard, []);
  });

  test(`C5: what ${kind} logs comes to the monitors, log-noid with its id`, async (t) => {
    const { app, monitor } = await pair(t, kind);
    app.tell("log", { type: "ACTION", id: app.id, payload: { n: 1 } });
    app.tell("log-noid", { type: "INIT", payload: { n: 0 } });
    await until(() => monitor.heard.length > 1, "both");
    assert.deepEqual(monitor.heard, [
      { type: "ACTION", id: app.id, payload: { n: 1 } },
      { id: app.id, data: { type: "INIT", payload: { n: 0 } } },
    ]);
  });

  test(`C11: ${kind} may not publish, unless the server lets it; then its own copy comes before the answer`, async (t) => {
    const strict = await client(t, kind, await serve(t));
    await assert.rejects(strict.publish("log", 1), { name: "InvalidActionError", message: "Client publish feature is disabled" });
    const server = await serve(t, { allowClientPublish: true });
    const one = await client(t, kind, server);
    const other = await client(t, kind, server);
    const got = await one.subscribe("news");
    const others = await other.subscribe("news");
    await one.publish("news", { n: 1 });
    if (kind.includes("socketcluster-client 1") || kind.startsWith("socketclusterclient")) assert.deepEqual(got, [{ n: 1 }]); // streams are read later
    await until(() => got.length + others.length === 2, "both copies");
    assert.deepEqual(got, others);
  });
}

/** A client that has logged in: `heard` on its channel, `direct` to it alone. */
async function loggedIn(t, kind, server, credentials) {
  const one = await client(t, kind, server);
  const channel = await one.ask("login", credentials);
  one.direct = one.on(channel);
  one.heard = await one.subscribe(channel);
  return one;
}

async function pair(t, kind) {
  const server = await serve(t);
  const app = await loggedIn(t, kind, server, "master");
  const monitor = await loggedIn(t, kind, server, {});
  return { server, app, heard: app.heard, direct: app.direct, monitor };
}
