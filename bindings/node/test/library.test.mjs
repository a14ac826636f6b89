// Which copy of the library is used, and what is said when none will do.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { checkoutRoot, compile, packageRoot, require, runNode, scratchFolder } from "../testing/support.mjs";

const folder = scratchFolder();
const show = `const { library, version } = require(process.argv[1]); console.log(library.origin, library.path, version)`;
const load = (env, from = packageRoot) => runNode(["-e", show, from], { env: { TIDINGS_LIBRARY: undefined, ...env }, limit: 20_000 });

function library(name, text) {
  const source = path.join(folder, `${name}.c`);
  writeFileSync(source, text);
  return compile(source, path.join(folder, `${name}.so`));
}

test("alone, the package uses its own copy; TIDINGS_LIBRARY names another", async () => {
  const own = await load({});
  assert.equal(own.status, 0, own.stderr);
  assert.match(own.stdout, /^bundled .*build\/libtidings\.so\.0 \d+\.\d+\.\d+\n$/);
  const copy = path.join(folder, "elsewhere.so");
  cpSync(path.join(packageRoot, "build", "libtidings.so.0"), copy);
  const named = await load({ TIDINGS_LIBRARY: copy });
  assert.equal(named.stdout.split(" ")[0], "TIDINGS_LIBRARY", named.stderr);
  assert.equal(realpathSync(named.stdout.split(" ")[1]), realpathSync(copy));
});

test("a library of another ABI version, of none, incomplete or missing is refused in words", async () => {
  const cases = [
    ["/no/such/file.so", /TIDINGS_LIBRARY names \/no\/such\/file\.so, which does not load/],
    [library("other_abi", "unsigned td_abi_version(void) { return 99; }"), /has ABI version 99; this package needs version 0/],
    [library("older", "unsigned td_abi_version(void) { return 0; }"), /older\.so has no td_\w+: it is older than this package/],
    [library("stranger", "int stranger;"), /stranger\.so \(TIDINGS_LIBRARY\) is not libtidings/],
  ];
  for (const [file, words] of cases) {
    const { status, stderr } = await load({ TIDINGS_LIBRARY: file });
    assert.equal(status, 1);
    assert.match(stderr, words);
  }
});

/** The package without what was built, in a project of its own. */
function unbuilt(name) {
  const modules = path.join(folder, name, "node_modules");
  const bare = path.join(modules, "tidings");
  mkdirSync(bare, { recursive: true });
  for (const part of ["index.js", "package.json", "lib"]) cpSync(path.join(packageRoot, part), path.join(bare, part), { recursive: true });
  return { bare, modules };
}
const { name: platform } = require("../lib/platform.js").own();
const { version } = require("../package.json");

test("where no binary is, the package to install is named", async () => {
  assert.match(platform, /^tidings-linux(musl)?-(x64|arm64)$/);
  const { status, stderr } = await load({}, unbuilt("without").bare);
  assert.equal(status, 1);
  assert.ok(stderr.includes(`install the package ${platform} (npm install ${platform}@${version})`), stderr);
});

test("the platform package beside the package is used, unless it is another version's", async () => {
  const { bare, modules } = unbuilt("with");
  const binaries = path.join(modules, platform);
  mkdirSync(binaries);
  for (const file of ["tidings.node", "libtidings.so.0"]) cpSync(path.join(packageRoot, "build", file), path.join(binaries, file));
  const describe = (version) => writeFileSync(path.join(binaries, "package.json"), JSON.stringify({ name: platform, version }));
  describe(version);
  const found = await load({}, bare);
  assert.equal(found.status, 0, found.stderr);
  assert.equal(found.stdout, `bundled ${path.join(realpathSync(binaries), "libtidings.so.0")} ${version}\n`);
  describe("0.0.1");
  assert.match((await load({}, bare)).stderr, new RegExp(`needs ${platform} ${version}, and 0\\.0\\.1 is installed`));
  describe(version);
  writeFileSync(path.join(binaries, "tidings.node"), "no addon");
  assert.match((await load({}, bare)).stderr, /the tidings addon cannot be loaded: .*tidings\.node: /);
});

test("the function table has every function of the header, and no function is listed by hand", () => {
  const { functionsOf, tableOf } = require("../scripts/table.js");
  const header = require("node:fs").readFileSync(path.join(checkoutRoot, "include", "tidings.h"), "utf8");
  const names = functionsOf(header);
  for (const name of ["td_version", "td_send", "td_send_ex", "td_recv_match", "td_batch_claim", "td_loop_run", "td_monitor_name", "td_timer_read", "td_clock_advance"]) assert.ok(names.includes(name), name);
  assert.ok(names.every((name) => !name.endsWith("_fn")));
  assert.deepEqual(functionsOf('#define X(a) a\ntypedef void (*td_a_fn)(int);\ntypedef struct td_b { int c; void (*td_d)(int); } td_b;\nextern "C" {\nconst char *td_e(void); /* td_f(int); */\nint32_t td_g(int a,\n  td_b *b);\n}'), ["td_e", "td_g"]);
  assert.throws(() => tableOf("int other(void);"), /not the header of tidings/);
});

test("the error names are the header's", () => {
  const { ERROR_NAMES } = require("../lib/names.js");
  const header = require("node:fs").readFileSync(path.join(checkoutRoot, "include", "tidings.h"), "utf8");
  const defined = Object.fromEntries([...header.matchAll(/^#define (TD_E[A-Z]+|TD_OK) (-?\d+)\b/gm)].map(([, name, number]) => [name, -number]));
  assert.ok(Object.keys(defined).length > 20);
  assert.deepEqual(Object.fromEntries(ERROR_NAMES.map((name, i) => [name, i])), { ...defined, TD_OK: 0 });
});
