// The install script: compiles the addon and puts the shared library beside it, in build/.
// Guarantees: nothing is fetched except, where no Node-API headers are at hand, the package's own npm dependency; every missing piece gives
// an error that names it and says what would help; build/ changes only once everything has worked.
"use strict";
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { tableOf } = require("./table.js");

const here = path.join(__dirname, "..");
const build = path.join(here, "build");
const SONAME = "libtidings.so.0";
const { TIDINGS_LIB_DIR, TIDINGS_INCLUDE_DIR, CC = "cc", CFLAGS = "" } = process.env;

class Trouble extends Error {}

/** The checkout this package lies in, or undefined when npm has copied the package out of it. */
function checkout() {
  const root = path.join(here, "..", "..");
  return ["Cargo.toml", "include/tidings.h"].every((file) => fs.existsSync(path.join(root, file))) ? root : undefined;
}

function run(command, args, options, missing) {
  try {
    execFileSync(command, args, { stdio: "inherit", ...options });
  } catch (error) {
    if (error.code === "ENOENT") throw new Trouble(`${command} is not installed: ${missing}`);
    throw new Trouble(`${command} ${args[0] ?? ""} failed${error.status == null ? `: ${error.message}` : ` with status ${error.status}`}; its own words are above`);
  }
}

function library(root) {
  if (TIDINGS_LIB_DIR) {
    const found = [SONAME, "libtidings.so"].map((name) => path.resolve(TIDINGS_LIB_DIR, name)).find((file) => fs.existsSync(file));
    if (!found) throw new Trouble(`TIDINGS_LIB_DIR is ${TIDINGS_LIB_DIR}, but there is no ${SONAME} and no libtidings.so in it`);
    return found;
  }
  if (root === undefined) {
    throw new Trouble(
      "this copy of the package does not lie in a checkout of tidings, so the library cannot be built here. " +
        "Set TIDINGS_LIB_DIR to the folder with a built libtidings.so.0 (an installed prefix's lib, or a checkout's target/release) and install again",
    );
  }
  run("cargo", ["build", "--release", "--lib", "--locked"], { cwd: root }, "building the library needs Rust's cargo; or set TIDINGS_LIB_DIR to a folder with a built libtidings.so.0");
  return path.join(cargoTarget(root), "release", "libtidings.so");
}

const cargoTarget = (root) => path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target");

function header(root) {
  const near = TIDINGS_LIB_DIR ? ["../include", "../../include"].map((up) => path.resolve(TIDINGS_LIB_DIR, up)) : [];
  const folders = [TIDINGS_INCLUDE_DIR, root && path.join(root, "include"), ...near].filter(Boolean);
  const found = folders.find((folder) => fs.existsSync(path.join(folder, "tidings.h")));
  if (found === undefined) throw new Trouble(`tidings.h is in none of ${folders.join(", ")}; set TIDINGS_INCLUDE_DIR to the folder it is in`);
  return path.resolve(found);
}

/** The folder of node_api.h: the npm dependency's, else the running Node's own. npm leaves out the dependencies of a package that it installs
 * as a link to a folder elsewhere; then, and where Node came without headers, they are installed here. */
function nodeHeaders() {
  const dependency = () => {
    try {
      return require("node-api-headers").include_dir;
    } catch {
      return undefined;
    }
  };
  const own = [process.env.npm_config_nodedir, path.dirname(path.dirname(process.execPath))]
    .filter(Boolean)
    .map((prefix) => path.join(prefix, "include", "node"))
    .find((folder) => fs.existsSync(path.join(folder, "node_api.h")));
  const found = dependency() ?? own;
  if (found !== undefined) return found;
  const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ["npm"];
  run(npm[0], [...npm.slice(1), "install", "--ignore-scripts", "--omit=dev", "--no-save", "--no-audit", "--no-fund"], { cwd: here, env: plainEnvironment() }, "it is needed for node-api-headers");
  return dependency() ?? missingHeaders();
}

function missingHeaders() {
  throw new Trouble("node_api.h was not found: install the npm package node-api-headers in this package's folder");
}

/** Without what npm tells the scripts it runs about the outer install. */
function plainEnvironment() {
  const kept = /^npm_config_(cafile|ca|registry|proxy|https_proxy|noproxy|cache|userconfig|globalconfig|strict_ssl)$/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name)));
}

function checkLibrary(file) {
  if (!fs.readFileSync(file).includes(`${SONAME}\0`)) throw new Trouble(`${file} is not a ${SONAME}: it has another SONAME, so a C host and this package would not share it`);
}

function main() {
  if (process.platform !== "linux") throw new Trouble(`tidings works on Linux only, not on ${process.platform} yet`);
  const root = checkout();
  const shared = library(root);
  checkLibrary(shared);
  const include = header(root);
  const work = path.join(here, `build.${process.pid}`);
  fs.rmSync(work, { recursive: true, force: true });
  fs.mkdirSync(work);
  try {
    fs.writeFileSync(path.join(work, "td_table.h"), tableOf(fs.readFileSync(path.join(include, "tidings.h"), "utf8")));
    const sources = fs.readdirSync(path.join(here, "src")).filter((name) => name.endsWith(".c")).sort();
    const flags = ["-std=c11", "-O2", "-g1", "-Wall", "-Wextra", "-fPIC", "-fvisibility=hidden", "-shared", ...CFLAGS.split(/\s+/).filter(Boolean)];
    const includes = ["-I", include, "-I", work, "-isystem", nodeHeaders()];
    run(CC, [...flags, ...includes, "-o", path.join(work, "tidings.node"), ...sources.map((name) => path.join(here, "src", name)), "-ldl", "-pthread"], {}, "compiling the addon needs a C compiler (gcc or clang); CC names another");
    fs.copyFileSync(shared, path.join(work, SONAME));
    fs.mkdirSync(build, { recursive: true });
    // By rename: a process that has the old files open keeps them.
    for (const name of ["td_table.h", SONAME, "tidings.node"]) fs.renameSync(path.join(work, name), path.join(build, name));
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  console.log(`tidings: built ${path.join(build, "tidings.node")} with ${shared}`);
}

try {
  main();
} catch (error) {
  if (!(error instanceof Trouble)) throw error;
  console.error(`tidings: ${error.message}`);
  process.exitCode = 1;
}
