// Child processes beside a live engine: they get nothing of it, and it goes on.
import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { readlinkSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { promisify } from "node:util";
import { Engine } from "tidings";
import { testing } from "../testing/support.mjs";

const run = promisify(execFile);
const descriptors = () => readdirSync("/proc/self/fd").flatMap((fd) => {
  try {
    return [readlinkSync(`/proc/self/fd/${fd}`)];
  } catch {
    return []; // the folder's own
  }
});

test("a child inherits no descriptor of the engine, and both go on", async (t) => {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  const before = descriptors().length;
  const boxes = Array.from({ length: 5 }, () => engine.mailbox());
  let handled = 0;
  const busy = engine.mailbox({ handler: (message) => (handled++, busy.send(message.data)) });
  busy.send("round and round");
  const waiting = boxes.map((box) => box.recv({ timeout: 60_000 }));
  engine.sendEvery(boxes[0], 1);
  boxes[1].monitorProcess(process.ppid);
  engine.mailbox({ notifiable: true }).notify(1);
  assert.ok(descriptors().length >= before + 6, "each waiting mailbox, and the loop");
  const { stdout } = await run("ls", ["-l", "/proc/self/fd"]);
  assert.doesNotMatch(stdout, /eventfd|pidfd|timerfd/);
  const code = `import { defaultEngine } from "tidings"; const box = defaultEngine().mailbox(); box.send("own"); console.log(box.tryRecv().text())`;
  const child = await run(process.execPath, ["--input-type=module", "-e", code], { cwd: testing });
  assert.equal(child.stdout, "own\n");
  const failing = spawn(process.execPath, ["-e", "process.exit(9)"], { stdio: "ignore" });
  assert.equal(await new Promise((resolve) => failing.on("exit", resolve)), 9);
  for (const box of boxes) box.send("after");
  assert.equal((await Promise.all(waiting)).length, 5);
  const so_far = handled;
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.ok(handled > so_far);
});
