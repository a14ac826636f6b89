// A daemon with workers for a check, in a folder of its own; frames to it and from it as they are; and HTTP through its links.
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { start } from "../daemon.mjs";
import { frames, write } from "../frames.mjs";
import { here, node, until, within } from "./support.mjs";

export const program = (name) => path.join(here, "programs", name);

const ends = new Map(); // folder -> how to end what is in it

/** A folder that is gone after the test, after what is in it has been ended. */
export function folder(t) {
  const made = mkdtempSync(path.join(tmpdir(), "workers-"));
  ends.set(made, []);
  t.after(async () => {
    for (const end of ends.get(made)) await within(end(), "the end of a daemon");
    rmSync(made, { recursive: true, force: true });
  });
  return made;
}

const linesOf = (file) => readFileSync(file, { encoding: "utf8", flag: "a+" }).split("\n").slice(0, -1);

/** A daemon that is over after the test, with what its workers print and what it says itself. Without `started` it has no workers yet. */
export async function serve(t, { worker = "app.mjs", started = true, file, ...options } = {}) {
  const tmpDir = options.tmpDir ?? folder(t);
  const said = path.join(tmpDir, "said");
  const standard = file === undefined ? { workers: 3, script: program(worker) } : {};
  const daemon = await start({ ...standard, shutdownTimeout: 1_000, ...options, tmpDir }, file);
  ends.get(tmpDir).push(() => daemon.terminate().catch(() => {})); // it may be over
  const logged = [];
  const log = daemon.engine.mailbox({ handler: (message) => logged.push(message.text()) });
  log.subscribe("log");
  if (started) await daemon.ask("start-workers");
  return Object.assign(daemon, {
    folder: tmpDir,
    logged,
    /** What the workers have said, each line in the order in which it was. */
    said: () => linesOf(said),
    saying: (line, what = line) => until(() => daemon.said().find((one) => (line instanceof RegExp ? line.test(one) : one === line)), `a worker says ${what}`),
    link: (index) => path.join(tmpDir, `app.${index}.sock`),
    worker: (index) => daemon.status().workers.map((one) => one.toJSON()).find(({ idx }) => idx === index),
    workers: () => daemon.status().workers.map((one) => one.toJSON()),
  });
}

/** A daemon in a process of its own, which says what is in it (inspected.mjs) and can be killed; it and the workers that were asked for are over after the test. */
export async function apart(t, { worker = "app.mjs", ...options } = {}) {
  const pids = new Set(); // of workers that we know
  const end = async () => {
    await terminate();
    pids.forEach(kill);
  };
  const tmpDir = options.tmpDir ?? folder(t);
  ends.get(tmpDir).push(end);
  const said = path.join(tmpDir, "said");
  const given = { workers: 3, shutdownTimeout: 1_000, script: program(worker), ...options, tmpDir };
  const server = node(t, ["inspected.mjs", JSON.stringify(given)]);
  const { child, lines, told } = server;
  const exited = once(child, "exit");
  const terminate = async () => {
    child.stdin.end();
    await within(exited, told);
  };
  const ask = async (question) => {
    const known = lines.length;
    child.stdin.write(`${question}\n`);
    return JSON.parse(await until(() => lines[known], told));
  };
  const inspect = () => ask("inspect");
  await until(() => lines.includes("online"), told);
  return {
    ...server,
    folder: tmpDir,
    path: path.join(tmpDir, "nodesockd.ipc"),
    inspect,
    /** Waits until it has in it again what it had `before`, and no more files are open. */
    async becomes(before) {
      let now;
      const same = async () => {
        now = await inspect();
        return JSON.stringify(now.inside) === JSON.stringify(before.inside) && now.files <= before.files;
      };
      await until(same, () => `what is left: ${JSON.stringify(before)} -> ${JSON.stringify(now)}`, 20_000);
    },
    said: () => linesOf(said),
    async workers() {
      const { workers } = await ask("status");
      for (const { pid } of workers) pids.add(pid);
      return workers;
    },
    terminate,
  };
}

export function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended
  }
}

/** A connection of frames. */
export async function raw(t, daemon) {
  const socket = connect(daemon.path);
  t.after(() => socket.destroy());
  await once(socket, "connect");
  socket.on("error", () => {}); // who waits for an answer says so
  const got = [];
  let last = 0;
  frames(socket, { onFrame: (frame) => got.push(frame), onBad: (error) => got.push(error) });
  const answers = (id) => got.filter(({ requestId }) => requestId === id);
  return {
    socket,
    got,
    send: (frame) => write(socket, frame),
    /** Every frame that answers a request, without what says which. */
    async ask(type, data, id = `request ${++last}`) {
      write(socket, { type, id, streams: true, data });
      const all = await until(() => answers(id).some(({ done, errors }) => done || errors) && answers(id), `an answer to ${type}`);
      return all.map(({ type: _, requestId, ...rest }) => rest);
    },
  };
}

/** GET through a link; the text that comes. */
export function get(socketPath, path = "/") {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, agent: false }, async (response) => {
      let text = "";
      for await (const chunk of response.setEncoding("utf8")) text += chunk;
      resolve(text);
    });
    asked.on("error", reject).end();
  });
}
