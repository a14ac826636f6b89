// What `make dist-node` gives installs in an empty project, without a compiler, without a registry and without any script of the package's,
// and works there as README.md of bindings/node shows it.
import assert from "node:assert/strict";
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { checkoutRoot, packageRoot, require, runNode, scratchFolder, within } from "../bindings/node/testing/support.mjs";

const { own } = require("../lib/platform.js");
const { version } = require("../package.json");
const work = scratchFolder();
const dist = path.join(checkoutRoot, "dist");
const platform = own().name;
const tarball = (name) => path.join(dist, `${name}-${version}.tgz`);

// Nothing but Node, npm and a shell can be found: neither a compiler nor cargo.
const tools = path.join(work, "tools");
const PATH = { PATH: tools };

function onlyNode() {
  mkdirSync(tools);
  const where = (name) => execFileSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" }).trim();
  symlinkSync(process.execPath, path.join(tools, "node"));
  for (const name of [process.env.NPM ?? "npm", "sh"]) symlinkSync(where(name), path.join(tools, path.basename(name)));
}

/** npm in a project, with a cache of its own that is empty. */
async function npm(project, ...args) {
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_TEST_CONTEXT$|TIDINGS_)/i.test(name));
  const env = { ...Object.fromEntries(kept), ...PATH, npm_config_cache: path.join(work, "cache"), npm_config_update_notifier: "false" };
  const all = [...args, "--offline", "--no-audit", "--no-fund"];
  const { stdout, stderr } = await promisify(execFile)(path.join(tools, path.basename(process.env.NPM ?? "npm")), all, { cwd: project, env, timeout: 180_000 });
  return stdout + stderr;
}

function project(name) {
  const folder = path.join(work, name);
  mkdirSync(folder);
  writeFileSync(path.join(folder, "package.json"), "{}");
  return folder;
}

const run = (folder, ...args) => runNode(args, { cwd: folder, env: { ...PATH, TIDINGS_LIBRARY: undefined }, limit: 20_000 });

execFileSync(process.env.MAKE ?? "make", ["--no-print-directory", "-C", checkoutRoot, "dist-node"], { stdio: ["ignore", "ignore", "inherit"] });
onlyNode();
const installed = project("installed");

test("two tarballs install in an empty project, offline, with no compiler in reach", async () => {
  const said = await npm(installed, "install", tarball("tidings"), tarball(platform));
  assert.match(said, /added 2 packages/);
  const content = JSON.parse(readFileSync(path.join(installed, "node_modules", "tidings", "package.json"), "utf8"));
  assert.deepEqual([content.scripts, content.dependencies], [undefined, undefined], "nothing runs, nothing else is needed");
  assert.equal(content.optionalDependencies[platform], version);
  const files = (name) => readdirSync(path.join(installed, "node_modules", name)).sort();
  const shared = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "package.json"];
  assert.deepEqual(files("tidings"), [...shared, "index.d.mts", "index.d.ts", "index.js", "index.mjs", "lib", "types"].sort());
  assert.deepEqual(files(platform), [...shared, "libtidings.so.0", "tidings.node"].sort());
});

test("import and require give the same package, with the library of the platform package", async () => {
  const esm = `import { Engine, library, version } from "tidings"; import { createRequire } from "node:module";
    const m = new Engine().mailbox(); m.send("installed");
    console.log(m.tryRecv().text(), version, library.origin, library.path, createRequire(import.meta.url)("tidings").Engine === Engine)`;
  const bundled = path.join(installed, "node_modules", platform, "libtidings.so.0");
  const imported = await run(installed, "--input-type=module", "-e", esm.replaceAll("import.meta.url", JSON.stringify(path.join(installed, "x.js"))));
  assert.deepEqual(imported, { status: 0, signal: null, stdout: `installed ${version} bundled ${bundled} true\n`, stderr: "" });
  const cjs = `const { Engine } = require("tidings"); const m = new Engine().mailbox(); m.send("installed"); console.log(m.tryRecv().text())`;
  assert.deepEqual(await run(installed, "-e", cjs), { status: 0, signal: null, stdout: "installed\n", stderr: "" });
});

test("the programs of README.md run there as printed", async () => {
  const text = readFileSync(path.join(installed, "node_modules", "tidings", "README.md"), "utf8");
  const programs = [...text.matchAll(/^```js (\S+)\n([^]*?)^```\n```text\n([^]*?)^```$/gm)];
  assert.ok(programs.length >= 4);
  for (const [, name, program, printed] of programs) {
    writeFileSync(path.join(installed, name), program);
    assert.deepEqual(await run(installed, name), { status: 0, signal: null, stdout: printed, stderr: "" }, name);
  }
});

test("the examples run there: the chat room, and the running stream", async () => {
  cpSync(path.join(checkoutRoot, "examples", "node"), installed, { recursive: true });
  const chat = await run(installed, "chat.mjs");
  assert.deepEqual([chat.status, chat.stderr], [0, ""]);
  assert.match(chat.stdout, /^\[carol\] alice: hello$/m);
  const server = spawn(process.execPath, ["data_stream.mjs", "--interval", "1"], { cwd: installed, stdio: ["ignore", "pipe", "inherit"] });
  try {
    const [said] = await within(once(server.stdout, "data"), "the server's address");
    const { body } = await fetch(`${/http:\S+/.exec(String(said))[0]}/stream`, { signal: AbortSignal.timeout(20_000) });
    let text = "";
    for await (const part of body.pipeThrough(new TextDecoderStream())) if ((text += part).split("\n").length > 3) break;
    assert.match(text, /^\{"seq":\d+,.*\}\n\{"seq":\d+,/);
  } finally {
    server.kill("SIGKILL");
  }
});

test("a user's TypeScript finds the declarations, for import and for require", () => {
  const types = path.join(packageRoot, "node_modules", "@types");
  const tsc = path.join(packageRoot, "node_modules", "typescript", "bin", "tsc");
  writeFileSync(path.join(installed, "user.mts"), `import { Engine, type Message } from "tidings"; const m: Message | undefined = new Engine().mailbox().tryRecv(); void m;`);
  writeFileSync(path.join(installed, "user.cts"), `import tidings = require("tidings"); const m: tidings.Mailbox = new tidings.Engine().mailbox(); void m;`);
  const options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", "node", "--typeRoots", types];
  try {
    execFileSync(process.execPath, [tsc, ...options, "user.mts", "user.cts"], { cwd: installed, encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout);
  }
});

test("without the platform package the error names it", async () => {
  const here = project("without");
  await npm(here, "install", "--omit=optional", tarball("tidings"));
  const { status, stderr } = await run(here, "-e", `require("tidings")`);
  assert.equal(status, 1);
  assert.ok(stderr.includes(`install the package ${platform} (npm install ${platform}@${version})`), stderr);
});
