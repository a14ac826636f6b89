// index.d.ts: tsc --strict accepts a program that uses everything, and refuses what is wrong.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import * as tidings from "tidings";
import { examples, packageRoot, require, scratchFolder, testing } from "../testing/support.mjs";

function strict(files, ...more) {
  const tsc = path.join(path.dirname(require.resolve("typescript/package.json")), "bin", "tsc");
  const types = ["--types", "node", "--typeRoots", path.join(packageRoot, "node_modules", "@types")];
  const options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", ...types, ...more];
  try {
    execFileSync(process.execPath, [tsc, ...options, ...files], { encoding: "utf8", cwd: packageRoot });
  } catch (error) {
    assert.fail(error.stdout);
  }
}

test("tsc --strict: the program in testing/types.mts is right, and each @ts-expect-error in it is one", () => {
  strict(["types.mts", "types_cjs.cts"].map((name) => path.join(testing, name)));
});

test("tsc --strict: the examples are right", () => {
  const here = scratchFolder(); // where "tidings" is installed
  mkdirSync(path.join(here, "node_modules"));
  symlinkSync(packageRoot, path.join(here, "node_modules", "tidings"));
  cpSync(examples, here, { recursive: true });
  const programs = readdirSync(here).filter((name) => name.endsWith(".mjs")).map((name) => path.join(here, name));
  assert.ok(programs.length > 0);
  strict(programs, "--allowJs", "--checkJs");
});

test("a user's program needs no skipLibCheck, and no file of declarations is longer than a person reads", () => {
  strict([path.join(packageRoot, "index.d.ts")]);
  for (const name of readdirSync(path.join(packageRoot, "types"))) {
    assert.ok(readFileSync(path.join(packageRoot, "types", name), "utf8").split("\n").length < 450, name);
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

test("whatever is declared is documented", () => {
  const ts = require("typescript");
  const documented = (node) => ts.getJSDocCommentsAndTags(node).length > 0;
  const hidden = (node) => node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword);
  const bare = readdirSync(path.join(packageRoot, "types")).flatMap((name) => {
    const file = ts.createSourceFile(name, readFileSync(path.join(packageRoot, "types", name), "utf8"), ts.ScriptTarget.Latest, true);
    const exported = file.statements.filter(({ modifiers }) => modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword));
    return exported.flatMap((one) => [one, ...(one.members ?? [])].filter((node) => !documented(node) && !hidden(node)).map((node) => `${name}: ${node.getText().split("\n")[0]}`));
  });
  assert.deepEqual(bare, []);
});
