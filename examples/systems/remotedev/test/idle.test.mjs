// Clients of both protocols that say nothing for a minute, on one port.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, everyKind } from "./clients.mjs";
import { serve, sleep } from "./support.mjs";

const IDLE = 60_000;

test("C10: connections of both protocols that are idle for a minute stay open", async (t) => {
  const server = await serve(t);
  const clients = [];
  for (const kind of everyKind) clients.push(await client(t, kind, server));
  await sleep(IDLE);
  for (const one of clients) {
    assert.equal(one.state, "open");
    assert.equal(await one.ask("login", "master"), "respond");
  }
  const foreign = clients.at(-1).program.errors.filter((line) => line.includes("JSON") || line.includes("Expecting value"));
  assert.ok(foreign.length <= 2, `pings of the other protocol stop when one is answered: ${foreign}`);
});
