// Requests over HTTP to the links of a daemon's workers, at a rate, until it is told to stop; then prints what came of them.
// Arguments: the daemon's folder, workers, requests a second.
import { request } from "node:http";
import path from "node:path";

const [folder, workers, rate] = process.argv.slice(2);
const TICK = 5; // ms
const LATE = 20_000; // ms after which a request counts as lost
const times = [];
const lost = [];
let asked = 0;
let stopping = false;

function get(n) {
  const begun = performance.now();
  return new Promise((resolve) => {
    const fail = (error) => {
      lost.push(`${n}: ${error.code ?? error.message}`);
      resolve();
    };
    const options = { socketPath: path.join(folder, `app.${n % Number(workers)}.sock`), path: "/", agent: false, timeout: LATE };
    const asking = request(options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk) => (text += chunk));
      response.on("error", fail);
      response.on("end", () => {
        if (!text.startsWith("hello")) return fail(new Error(`${response.statusCode} ${text}`));
        times.push(performance.now() - begun);
        resolve();
      });
    });
    asking.on("timeout", () => asking.destroy(new Error("no answer")));
    asking.on("error", fail).end();
  });
}

process.once("SIGTERM", () => (stopping = true));
const begun = performance.now();
const open = [];
while (!stopping) {
  const due = Math.floor(((performance.now() - begun) / 1_000) * Number(rate));
  while (asked < due) open.push(get(asked++));
  if (asked === 0) console.log("begun");
  await new Promise((resolve) => setTimeout(resolve, TICK));
}
const seconds = (performance.now() - begun) / 1_000;
await Promise.all(open);
times.sort((one, other) => one - other);
const at = (share) => Number((times[Math.floor((times.length - 1) * share)] ?? NaN).toFixed(1));
console.log(JSON.stringify({ asked, answered: times.length, lost, rate: Math.round(asked / seconds), median: at(0.5), p99: at(0.99), longest: at(1) }));
