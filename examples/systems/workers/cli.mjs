#!/usr/bin/env node
// The command line: one request to the daemon, and what comes of it.
import { Command, Option } from "commander";
import { connect } from "./client.mjs";
import { Links } from "./links.mjs";
import { Options, standardFile } from "./options.mjs";

const ID_END = 5; // letters of an id that are enough to tell workers apart
const STATE = 11;
const WHEN = 16;

const program = new Command("workers").description("Runs a Node program in several processes, and talks to them.");

/** A subcommand that talks to the daemon; `act` gets a client, its arguments and its options. */
function command(signature, description, act) {
  const made = program.command(signature).description(description);
  made.option("-i, --ipc <path>", "the daemon's socket");
  made.addOption(new Option("-c, --config <path>", "the daemon's file of options, which says where that is; nodesockd.yml if not given").conflicts("ipc"));
  return made.action(async (...args) => {
    const options = args.at(-2);
    const client = await connect(options.ipc ?? new Links(new Options({}, options.config ?? standardFile())).ipc);
    try {
      await act(client, ...args.slice(0, -2), options);
    } finally {
      await client.terminate();
    }
  });
}

const count = (text) => {
  if (!/^\d+$/.test(text)) throw new Error("A number must be specified");
  return Number(text);
};

function json(text) {
  if (text === undefined) return undefined;
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    // the same error
  }
  if (data === null || typeof data !== "object" || Array.isArray(data)) throw new Error("A JSON object must be specified");
  return data;
}

// ---------------------------------------------------------------- what is printed

function when(ts) {
  const at = new Date(ts);
  const [hours, minutes, seconds] = [at.getHours(), at.getMinutes(), at.getSeconds()].map(String);
  const day = `${String(at.getDate()).padStart(2)}/${String(at.getMonth() + 1).padStart(2, "0")}`;
  return `${day} ${hours.padStart(2)}:${minutes.padStart(2, "0")}:${seconds.padStart(2, "0")}`;
}

function table({ pid, version, startTs, workers }) {
  const serving = workers.filter(({ idx }) => idx !== undefined).sort((one, other) => one.idx - other.idx);
  const rows = [...serving, ...workers.filter(({ idx }) => idx === undefined)].map(({ idx, id, pid, state, stateTs }) => [
    String(idx ?? ""),
    id.slice(-ID_END),
    String(pid ?? ""),
    `${state.padEnd(STATE)} (${when(stateTs)})`,
  ]);
  const widths = ["#", "ID", "PID", "State"].map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  widths[1] = ID_END;
  widths[3] = STATE + 1 + WHEN;
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [
    `Nodesockd daemon ${version} is running with PID ${pid} since ${when(startTs)}.`,
    "\nWorkers:\n",
    line(["#", "ID", "PID", "State"]),
    `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`,
    ...rows.map(line),
    "\n",
  ].join("\n");
}

/** A reply of a worker; what has several lines goes on below. */
function reply({ id, pid, data, errors }) {
  const process = `(${pid})`;
  let text = "(empty reply)";
  if (errors !== undefined) text = errors.map((error) => `Error: ${error}`).join("\n");
  else if (data !== undefined) text = typeof data === "string" ? data : JSON.stringify(data, undefined, 2);
  return `${id} ${process} | ${text.replaceAll("\n", `\n${" ".repeat(ID_END + process.length)} | `)}`;
}

// ---------------------------------------------------------------- the commands

const WORKERS = ["-w, --workers <workers>", 'which workers: "0", "1-2", "$<pid>", "<id>", "!0", "0,2"; all in service if not given'];
const SUSPENDED = ["-s, --suspended", "they wait for `resume`"];
const ATTEMPTS = ["-m, --max-attempts <n>", "how often each is started before it is given up", count];

command("status", "the daemon and its workers", async (client) => console.log(table(await client.getStatus())));
command("config", "what the daemon is configured with", async (client) => console.log(JSON.stringify(await client.getConfig(), undefined, 2)));
command("start", "starts all workers that are not running", (client, options) => client.startWorkers(options)).option(...SUSPENDED).option(...ATTEMPTS);
command("restart", "replaces all workers", (client, options) => client.restartWorkers(options)).option(...SUSPENDED).option(...ATTEMPTS);
command("resume", "lets suspended workers begin", (client) => client.resumeWorkers());
command("stop", "ends all workers", (client) => client.stopWorkers());
command("set-workers", "changes the number of workers in service", (client, n) => client.setWorkerCount(n)).argument("<n>", "", count);
command("set-standby", "changes the number of workers that stand by", (client, n) => client.setStandbyCount(n)).argument("<n>", "", count);
command("reload", "reads the configuration again", (client) => client.reload());
command("terminate", "ends the workers and the daemon", (client) => client.terminateDaemon());

command("send-msg", "sends workers a message", (client, message, data, { workers }) => client.sendAppMessage(message, data, workers))
  .argument("<message>")
  .argument("[data]", "a JSON object", json)
  .option(...WORKERS);

command("send-req", "sends workers a request, and prints their replies", async (client, request, data, { workers }) => {
  for await (const one of client.sendAppRequest(request, data, workers)) {
    console.log(reply(one));
    if (one.errors !== undefined) process.exitCode = 1;
  }
})
  .argument("<request>")
  .argument("[data]", "a JSON object", json)
  .option(...WORKERS);

program.parseAsync().catch((error) => {
  console.error(error.message);
  process.exitCode = 1;
});
