// A session of the Node client; each step prints a line. Arguments: the socket, and where none is.
import { connect } from "../client.mjs";

const [ipc, absent] = process.argv.slice(2);
const tell = (...line) => console.log(JSON.stringify(line));
const all = async (replies) => {
  const list = [];
  for await (const reply of replies) list.push(reply);
  return list;
};

await connect(absent).catch(({ name }) => tell("connect", name));

const client = await connect(ipc);
tell("status", (await client.getStatus()).workers.length);
await client.sendAppMessage("hello", { a: 1 }, "0-1");
tell("message");
const replies = await all(client.sendAppRequest("echo", { n: 1 }));
tell("echo", replies.map(({ id, pid, data }) => [id, pid, data]).sort());
tell("none", await all(client.sendAppRequest("string", undefined, "7")));
tell("empty", (await all(client.sendAppRequest("nothing", undefined, "0"))).map(({ data }) => data));
tell("stream", (await all(client.sendAppRequest("slowstream", undefined, "0"))).map(({ data }) => data));
for await (const { data } of client.sendAppRequest("stream", { count: 10_000 })) {
  if (data < 3) continue;
  tell("left", data);
  break;
}
for await (const { data } of client.sendAppRequest("endless")) if (data === 5) break;
while ((await all(client.sendAppRequest("endless-now"))).some(({ data }) => data > 0));
tell("given up");
tell("fail", (await all(client.sendAppRequest("nosuch", undefined, "1"))).map(({ errors }) => errors));
await client.call("bogus").catch(({ name, errors }) => tell("refused", errors));
const counts = new Map();
for await (const { id, data } of client.sendAppRequest("stream", { count: 1_000 })) {
  if (data !== (counts.get(id) ?? 0) + 1) throw new Error(`${data} after ${counts.get(id)}`);
  counts.set(id, data);
}
tell("count", [...counts.values()]);
try {
  for await (const { data } of client.sendAppRequest("endless", undefined, "0")) if (data === 5) tell("endless"); // now the daemon is killed
} catch ({ name }) {
  tell("closed", name);
}
await client.terminate();
