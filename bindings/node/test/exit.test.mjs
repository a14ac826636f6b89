// A process ends as it is told to, while streams are live and native threads flood it: one hundred times in eight ways.
import assert from "node:assert/strict";
import path from "node:path";
import { test } from "node:test";
import { buildProducer, runNode, scratchFolder, testing } from "../testing/support.mjs";

const RUNS = 100;
const AT_ONCE = 2;
const WAYS = { natural: 0, exit: 3, throw: 1, "in-handler": 5, closed: 0, worker: 7, terminate: 0, "worker-exits": 0 };

test(`${RUNS} exits with live streams: the expected status, no hang, no crash`, async () => {
  const producer = buildProducer(scratchFolder());
  const ways = Object.keys(WAYS);
  const left = Array.from({ length: RUNS }, (_, i) => ways[i % ways.length]);
  const wrong = [];
  let ran = 0;
  const one = async () => {
    for (let way; (way = left.pop()) !== undefined; ) {
      const { status, signal, stderr } = await runNode([path.join(testing, "exit_child.mjs"), producer, way], { limit: 60_000 });
      ran++;
      if (status !== WAYS[way] || signal !== null) wrong.push({ way, status, signal, stderr: stderr.slice(0, 2000) });
      else if (way === "throw" && !stderr.includes("Error: meant to")) wrong.push({ way, stderr });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  assert.equal(ran, RUNS);
  assert.deepEqual(wrong, []);
});

test("an idle mailbox, a handler and a pending recv do not keep the process alive; ref() and a deadline do", async () => {
  const run = async (code) => {
    const { status, signal, stdout, stderr } = await runNode(["--input-type=module", "-e", `import { Engine } from "tidings"; const engine = new Engine(); ${code}`], { cwd: testing, limit: 20_000 });
    assert.equal(signal, null, stderr);
    return `${status} ${stdout}`.trim();
  };
  assert.equal(await run(`engine.mailbox(); engine.mailbox({ handler() {} }); engine.mailbox().recv(); engine.sendEvery(engine.mailbox(), 5)`), "0");
  assert.equal(await run(`const a = engine.mailbox(); const p = a.recv(); a.close(); await p.catch((e) => console.log(e.code))`), "0 TD_ECLOSED");
  assert.equal(await run(`engine.ref(); engine.close()`), "0");
  assert.equal(await run(`const a = engine.mailbox({ handler() { a.send("again") } }); a.send("x")`), "0", "also when it never has nothing to do");
  assert.equal(await run(`await engine.mailbox().recv({ timeout: 20 }).catch((e) => console.log(e.code))`), "0 TD_ETIMEDOUT");
  assert.equal(await run(`await engine.call(engine.mailbox(), "x", { timeout: 20 }).catch((e) => console.log(e.code))`), "0 TD_ETIMEDOUT");
  const toItself = `let n = 0; const b = engine.mailbox({ handler() { n++ } }), a = engine.mailbox({ handler(m) { b.send(m.data) } });`;
  assert.equal(await run(`${toItself} for (let i = 0; i < 65536; i++) a.send("x".repeat(64)); process.on("exit", () => console.log(n))`), "0 65536", "what was sent is handled");
  assert.equal(await run(`const a = engine.mailbox(); const p = a.recv(); a.send("x"); console.log((await p).text())`), "0 x");
  assert.equal(await run(`const a = engine.mailbox(); a.subscribe("t"); const p = a.recv(); engine.publish("t", "x"); console.log((await p).text())`), "0 x");
  assert.equal(await run(`const a = engine.mailbox().ref(); engine.sendAfter(a, 30, "x"); console.log((await a.recv()).text()); a.close()`), "0 x");
  assert.equal(await run(`const a = engine.mailbox({ handler() { console.log("ran"); a.unref() } }).ref(); engine.sendAfter(a, 30)`), "0 ran");
  assert.equal(await run(`engine.ref(); engine.mailbox({ handler() { console.log("ran"); engine.unref() } }).send("x")`), "0 ran");
  assert.equal(await run(`await engine.mailbox().recv()`), "13", "Node's status for a top-level await that can never end");
});
