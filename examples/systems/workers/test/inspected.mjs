// A daemon that says what is in it: "inspect" and "status" at its standard input are answered by a line of JSON; at the end of that it terminates.
// Arguments: its options, as JSON.
import { createInterface } from "node:readline";
import { start } from "../daemon.mjs";
import { inside, openFiles } from "./support.mjs";

const daemon = await start(JSON.parse(process.argv[2]));
const answers = {
  inspect: () => ({ inside: inside(daemon.engine), files: openFiles(), rss: Math.round(process.memoryUsage().rss / 2 ** 20) }),
  status: () => daemon.status(),
};
await daemon.ask("start-workers");
console.log("online");
createInterface({ input: process.stdin })
  .on("line", (question) => console.log(JSON.stringify(answers[question]())))
  .on("close", () => daemon.terminate());
