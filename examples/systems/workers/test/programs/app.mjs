// A worker program: HTTP at its socket, and what the recordings ask for.
import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { worker } from "../../worker.mjs";

const short = worker.id.slice(-5);
const said = path.join(path.dirname(worker.socketPath), "said");
const say = (...words) => appendFileSync(said, `${short} ${words.join(" ")}\n`);
let endless = 0; // streams that go on until they are given up
const hold = worker.middleware();

const server = createServer((request, response) => {
  if (request.url !== "/") say("HELD", request.url);
  hold(request, response, () => {
    if (request.url !== "/") say("DONE", request.url);
    response.end(`hello ${short}`);
  });
});

worker
  .handle("echo", (data) => ({ echo: data }))
  .handle("string", () => "reply")
  .handle("nothing", () => undefined)
  .handle("fail", () => {
    throw new Error(`boom ${short}`);
  })
  .handle("slowstream", async function* () {
    for (let i = 1; i <= 3; i++, await sleep(60)) yield `reply ${i}`;
  })
  .handle("stream", function* ({ count, text }) {
    for (let i = 1; i <= count; i++) yield text === undefined ? i : { i, text };
  })
  .handle("failing", async function* ({ pid, count }) {
    for (let i = 1; i <= count; i++) {
      yield i;
      if (process.pid === pid) throw new Error(`no more of ${short}`);
    }
  })
  .handle("endless", async function* () {
    endless++;
    try {
      for (let i = 1; ; i++, await sleep(2)) yield i;
    } finally {
      endless--;
    }
  })
  .handle("endless-now", () => endless)
  .handle("stuck-stream", async function* () {
    yield 1;
    await new Promise(() => {});
  })
  .handle("circular", () => {
    const circle = {};
    return Object.assign(circle, { circle });
  })
  .handle("never", () => new Promise(() => {}));

let stubborn = false;
worker.handle("stubborn", () => {
  stubborn = true;
  process.on("SIGTERM", () => say("SIGTERM ignored"));
  return "ok";
});

worker.on("message", async (name, data) => {
  say("MESSAGE", name, JSON.stringify(data));
  if (name === "gossip") await worker.sendAppMessage("hello-from", { from: short }, data.to);
  if (name === "ask") {
    for await (const reply of worker.sendAppRequest("echo", { n: 1 }, data.to)) say("ASKREPLY", JSON.stringify(reply));
    say("ASKDONE");
  }
  if (name === "leave") {
    for await (const { data: n } of worker.sendAppRequest("endless", undefined, data.to)) if (n === 5) break;
    say("LEFT");
  }
  if (name === "break") worker.reportBroken(data.why);
  if (name === "print") console.log(data);
  if (name === "die") process.exit(3);
});
worker.on("resume", () => say("RESUMED"));
worker.on("shutdown", () => {
  say("SHUTDOWN");
  if (!stubborn) server.close();
  else setInterval(() => {}, 60_000);
});
server.listen(worker.socketPath, () => {
  if (process.argv.includes("broken")) return;
  say(process.pid, "suspended", worker.suspended);
  worker.reportOnline();
});
