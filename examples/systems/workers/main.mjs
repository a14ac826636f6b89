// node main.mjs [FILE]: the daemon, with the options in that file (options.mjs), or in nodesockd.yml, and its workers. SIGTERM and SIGINT stop it, SIGHUP
// has it read the file again, and SIGUSR2 has another one take its place and its workers, which go on.
import { spawn } from "node:child_process";
import { start } from "./daemon.mjs";
import { standardFile } from "./options.mjs";
import { UPGRADE } from "./pool.mjs";

try {
  const [file = standardFile()] = process.argv.slice(2);
  const daemon = await start({}, file);
  process.title = `${daemon.options.name} daemon`;
  print(daemon.engine);
  console.log(`listening at ${daemon.path}`);
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => daemon.terminate());
  process.on("SIGHUP", () => daemon.ask("reload").catch(report));
  const upgrade = daemon.engine.mailbox({ handler: () => giveWay(daemon) });
  upgrade.subscribe(UPGRADE);
  process.on("SIGUSR2", () => upgrade.send());
  daemon.ask("start-workers").catch(report);
} catch (error) {
  report(error);
  process.exitCode = 1;
}

let givingWay = false;
async function giveWay(daemon) {
  if (givingWay) return;
  givingWay = true;
  await daemon.release();
  spawn(process.execPath, process.argv.slice(1), { stdio: "inherit", detached: true }).unref();
}

/** Says what happens to the workers. */
function print(engine) {
  const events = engine.mailbox({
    handler({ topic, text, data }) {
      const told = Buffer.from(data).toString();
      if (topic === "log") return console.log(told);
      const { id, pid, state, idx, reason } = JSON.parse(told);
      console.log(`${idx === undefined ? "-" : `#${idx}`} ${id} (${pid}) ${state}${reason === undefined ? "" : `: ${reason}`}`);
    },
  });
  for (const topic of ["log", "worker.*"]) events.subscribe(topic, { policy: "drop_old", maxMessages: 1_000 });
}

function report(error) {
  const { data } = error; // of an answer that is errors
  console.error(`workers: ${data === undefined ? error.message : JSON.parse(Buffer.from(data).toString()).join("; ")}`);
}
