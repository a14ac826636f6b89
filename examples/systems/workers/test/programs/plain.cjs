// A worker without the library: Node's own channel, and what its arguments say.
//   never: it does not say that it is online; deaf: it does not end when it is told to; eager: it ends when it is told to; brief: it ends at once; broken: it says so
const { spawn } = require("node:child_process");
const { appendFileSync, writeSync } = require("node:fs");
const { connect } = require("node:net");
const path = require("node:path");

const CHANNEL = 3; // Node's
const how = new Set(process.argv.slice(2));
const id = process.env.NODESOCKD_WORKER_ID;
const said = path.join(path.dirname(process.env.NODESOCKD_SOCKET_PATH), "said");
const say = (...words) => appendFileSync(said, `${id.slice(-5)} ${words.join(" ")}\n`);
const online = { type: "online", data: { id, pid: process.pid, suspended: process.env.NODESOCKD_SUSPENDED === "true" } };

say("started", Date.now());
process.on("message", (frame) => {
  say("got", JSON.stringify(frame));
  const reply = (rest) => process.send({ type: "reply", requestId: frame.id, ...rest });
  const { request, data } = frame.data ?? {};
  if (frame.type === "shutdown") {
    say("shutdown at", Date.now());
    if (how.has("eager")) process.exit(0);
  } else if (frame.type === "app-req" && request === "echo") {
    reply({ data: { pid: process.pid, data: { echo: data } } });
    reply({ done: true });
  } else if (frame.type === "app-req" && request === "garbage") {
    const { text, times } = data; // what Node would never say
    for (let i = 0; i < times; i++) writeAll(text);
    writeAll("\n");
    reply({ done: true });
  } else if (frame.type === "app-req" && request === "bequeath") {
    spawn("sleep", ["3"], { stdio: ["ignore", "ignore", "ignore", CHANNEL] }); // has the channel when this one is gone
    reply({ done: true });
  } else if (frame.type === "detach") {
    process.off("disconnect", process.exit);
    setTimeout(() => (process.disconnect(), look(frame.data.ipcPath)), 500); // as Nodesockd's library does
  } else if (frame.type === "app-req" && request === "stream") {
    for (let i = 1; i <= data.count; i++) reply({ data: { pid: process.pid, data: i } });
    reply({ done: true });
  }
});
function writeAll(text) {
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(CHANNEL, rest));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

function look(path) {
  const socket = connect(path);
  socket.on("connect", () => socket.write(`${JSON.stringify(online)}\n`));
  socket.on("error", () => setTimeout(look, 250, path));
  socket.on("data", (data) => say("got", data.toString().trim()));
  socket.on("close", (failed) => (failed ? undefined : process.exit()));
}
process.on("disconnect", process.exit); // there is no daemon any more
process.on("SIGTERM", () => {
  say("SIGTERM at", Date.now());
  if (!how.has("deaf")) process.exit(0);
});
if (how.has("broken")) process.send({ type: "broken", data: { id, pid: process.pid, reason: "no database" } });
else if (!how.has("never")) process.send(online);
if (how.has("brief")) setTimeout(() => process.exit(1), 20);
setInterval(() => {}, 60_000);
