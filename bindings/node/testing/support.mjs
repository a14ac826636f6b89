// What the tests share: building the C host, running programs, waiting with a deadline.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const require = createRequire(import.meta.url);
export const testing = path.dirname(fileURLToPath(import.meta.url));
export const packageRoot = path.join(testing, "..");
export const checkoutRoot = path.join(packageRoot, "..", "..");
export const examples = path.join(checkoutRoot, "examples", "node");

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` holds; fails after `limit` ms, saying what it waited for. */
export async function until(condition, what, limit = 20_000) {
  for (const end = Date.now() + limit; ; await sleep(2)) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
  }
}

/** What the promise gives; fails after `limit` ms, saying what it waited for. */
export function within(promise, what, limit = 20_000) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`not within ${limit} ms: ${what}`)), limit)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A folder that goes when the process does. */
export function scratchFolder() {
  const folder = mkdtempSync(path.join(os.tmpdir(), "tidings-node-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The prefix that `make install` filled, or the package's own build folder. */
export function libraryFolder() {
  const prefixes = [process.env.TIDINGS_PREFIX, path.join(checkoutRoot, "build", "prefix")].filter(Boolean);
  return [...prefixes.map((prefix) => path.join(prefix, "lib")), path.join(packageRoot, "build")].find((folder) =>
    existsSync(path.join(folder, "libtidings.so.0")),
  );
}

export function compile(source, output, ...flags) {
  mkdirSync(path.dirname(output), { recursive: true });
  const headers = nodeHeaders();
  const args = ["-std=c11", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-I", path.join(checkoutRoot, "include"), "-isystem", headers];
  execFileSync(process.env.CC ?? "cc", [...args, source, "-o", output, ...flags, "-pthread"], { stdio: ["ignore", "inherit", "inherit"] });
  return output;
}

function nodeHeaders() {
  try {
    return require("node-api-headers").include_dir;
  } catch {
    return path.join(path.dirname(path.dirname(process.execPath)), "include", "node");
  }
}

/** The C host, linked to the installed library, in a folder of the caller's. */
export function buildProducer(folder) {
  const lib = libraryFolder();
  return compile(path.join(testing, "producer.c"), path.join(folder, "producer.node"), "-L", lib, "-l:libtidings.so.0", `-Wl,-rpath,${lib}`);
}

/** Runs node on a program; { status, signal, stdout, stderr }. Killed, and reported as such, after `limit` ms. */
export function runNode(args, { env = {}, limit = 60_000, cwd } = {}) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env }, cwd, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (data) => (stdout += data));
    child.stderr.on("data", (data) => (stderr += data));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, limit);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal: late ? `none within ${limit} ms` : signal, stdout, stderr });
    });
  });
}

/** Collects garbage; finalisers run in the turns of the event loop that follow. */
export async function collect() {
  const { setFlagsFromString } = await import("node:v8");
  const { runInNewContext } = await import("node:vm");
  setFlagsFromString("--expose-gc");
  const gc = globalThis.gc ?? runInNewContext("gc");
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise(setImmediate);
  }
}
