// npm install from the checkout, by link and by copy, into empty projects; and what it says when something is missing.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { checkoutRoot, packageRoot, runNode, scratchFolder } from "../testing/support.mjs";

const folder = scratchFolder();
const built = { TIDINGS_LIB_DIR: path.join(packageRoot, "build"), TIDINGS_INCLUDE_DIR: path.join(checkoutRoot, "include") };
const program = `import { Engine, library } from "tidings"; const m = new Engine().mailbox(); m.send("installed"); console.log(m.tryRecv().text(), library.origin)`;

/** The package as a checkout has it: without node_modules and build. */
function checkout(name) {
  const copy = path.join(folder, name, "bindings", "node");
  const unwanted = ["node_modules", "build"].map((one) => path.join(packageRoot, one));
  cpSync(packageRoot, copy, { recursive: true, filter: (file) => !unwanted.includes(file) && !/\/build\.\d+$/.test(file) });
  return copy;
}

function project(name) {
  const here = path.join(folder, name);
  mkdirSync(here, { recursive: true });
  writeFileSync(path.join(here, "package.json"), "{}");
  return here;
}

async function npm(args, cwd, env = built) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_TEST_CONTEXT$|TIDINGS_)/i.test(name)));
  try {
    const { stdout, stderr } = await promisify(execFile)("npm", args, { cwd, env: { ...clean, ...env }, timeout: 180_000 });
    return { status: 0, said: stdout + stderr };
  } catch (error) {
    return { status: error.code, said: `${error.stdout}${error.stderr}` };
  }
}

async function works(here) {
  const { status, stdout, stderr } = await runNode(["--input-type=module", "-e", program], { cwd: here, limit: 20_000, env: { TIDINGS_LIBRARY: undefined } });
  assert.deepEqual({ status, stdout }, { status: 0, stdout: "installed bundled\n" }, stderr);
}

test("npm install FOLDER in an empty project links the package and builds it", async () => {
  const source = checkout("linked");
  const here = project("user-of-link");
  const { status, said } = await npm(["install", "--no-audit", "--no-fund", source], here);
  assert.equal(status, 0, said);
  assert.ok(lstatSync(path.join(here, "node_modules", "tidings")).isSymbolicLink());
  await works(here);
});

test("npm install --install-links copies the package and builds the copy", async () => {
  const source = checkout("copied");
  const here = project("user-of-copy");
  const { status, said } = await npm(["install", "--no-audit", "--no-fund", "--install-links", source], here);
  assert.equal(status, 0, said);
  assert.ok(!lstatSync(path.join(here, "node_modules", "tidings")).isSymbolicLink());
  assert.ok(!existsSync(path.join(source, "build")));
  await works(here);
});

test("what is missing is named, and build/ is left as it was", async () => {
  const source = checkout("alone");
  const install = (env) => npm(["run", "install"], source, env);
  const cases = [
    [{ TIDINGS_INCLUDE_DIR: built.TIDINGS_INCLUDE_DIR }, /does not lie in a checkout of tidings.*Set TIDINGS_LIB_DIR/],
    [{ TIDINGS_LIB_DIR: "/nowhere" }, /TIDINGS_LIB_DIR is \/nowhere, but there is no libtidings\.so\.0/],
    [{ TIDINGS_LIB_DIR: built.TIDINGS_LIB_DIR, TIDINGS_INCLUDE_DIR: folder }, /tidings\.h is in none of /],
    [{ ...built, TIDINGS_LIB_DIR: folder }, /TIDINGS_LIB_DIR is .*, but there is no libtidings\.so\.0/],
    [{ ...built, CC: "no-such-compiler" }, /no-such-compiler is not installed: compiling the addon needs a C compiler/],
    [{ ...built, CFLAGS: "-fno-such-flag" }, /cc -std=c11 failed with status 1/],
  ];
  for (const [env, words] of cases) {
    const { status, said } = await install(env);
    assert.equal(status, 1, said);
    assert.match(said, words);
    assert.ok(!existsSync(path.join(source, "build", "tidings.node")));
  }
});

test("package-lock.json names no registry", () => {
  const lock = readFileSync(path.join(packageRoot, "package-lock.json"), "utf8");
  assert.doesNotMatch(lock, /"resolved"|https?:\/\/(?!opencollective|github)[^"]*registry/);
});
