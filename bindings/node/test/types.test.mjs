// index.d.ts: tsc --strict accepts a program that uses everything, and refuses what is wrong.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as tidings from "tidings";
import { packageRoot, require, testing } from "../testing/support.mjs";

test("tsc --strict: the program in testing/types.mts is right, and each @ts-expect-error in it is one", () => {
  const tsc = path.join(path.dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", "node", "--exactOptionalPropertyTypes", "false"];
  try {
    execFileSync(process.execPath, [tsc, ...options, path.join(testing, "types.mts"), path.join(testing, "types_cjs.cts")], { encoding: "utf8", cwd: packageRoot });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

/** All that index.d.ts passes on. */
function declarations() {
  const files = readdirSync(path.join(packageRoot, "types")).sort();
  const passedOn = [...readFileSync(path.join(packageRoot, "index.d.ts"), "utf8").matchAll(/^export \* from "\.\/types\/(\w+)\.js";$/gm)].map(([, name]) => `${name}.d.ts`);
  assert.deepEqual(passedOn.sort(), files);
  return files.map((file) => readFileSync(path.join(packageRoot, "types", file), "utf8")).join("\n");
}

test("index.d.ts declares what the package exports, for import and for require", () => {
  const text = declarations();
  const declared = [...text.matchAll(/^export (?:(?:abstract )?class|const|function) (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(Object.keys(require("tidings")).sort(), declared.sort());
  assert.deepEqual(Object.keys(tidings).filter((name) => name !== "default").sort(), declared.sort());
  const members = (name) => Object.getOwnPropertyNames(tidings[name].prototype).filter((member) => !member.startsWith("_") && !["constructor", "toString"].includes(member));
  for (const name of ["Engine", "Mailbox", "Address", "Message", "Monitor", "Server", "Subscription", "Timer"]) {
    const body = new RegExp(`^export (?:abstract )?class ${name} [^]*?^}`, "m").exec(text)[0];
    for (const member of members(name).filter((member) => !(member in EventEmitter.prototype))) assert.match(body, new RegExp(`\\b${member}\\b`), `${name}.${member} is declared`);
  }
});
