// The programs in README.md print what it says they print.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { packageRoot, runNode, testing } from "../testing/support.mjs";

const text = readFileSync(path.join(packageRoot, "README.md"), "utf8");
const programs = [...text.matchAll(/^```js (\S+)\n([^]*?)^```\n```text\n([^]*?)^```$/gm)];

test("README.md has the ten-line program first", () => {
  assert.deepEqual(programs.map(([, name]) => name), ["hello.mjs", "tour.mjs", "server.mjs", "more.mjs"]);
  assert.ok(programs[0][2].trimEnd().split("\n").length <= 10);
});

for (const [, name, program, printed] of programs) {
  test(`${name} runs as printed`, async (t) => {
    const file = path.join(testing, `readme_${process.pid}_${name}`); // here, where "tidings" is this package
    writeFileSync(file, program);
    t.after(() => rmSync(file));
    const { status, stdout, stderr } = await runNode([file], { limit: 20_000 });
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: printed, stderr: "" });
  });
}
