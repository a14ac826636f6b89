// Many clients at once, each with requests of its own whose replies must be its own; prints what came of them.
// Arguments: the socket, clients, requests of each.
import { connect } from "../client.mjs";

const [ipc, count, requests] = process.argv.slice(2);
let replies = 0;

async function one(n) {
  const client = await connect(ipc);
  for (let r = 0; r < Number(requests); r++) {
    const text = `${n}.${r}`;
    // two at once: a reply from each worker, and a stream
    const [all, streamed] = await Promise.all([several(client, "echo", { text }), several(client, "stream", { count: 20, text })]);
    replies += all.length + streamed.length;
    const wrong = [...all.filter(({ data }) => data?.echo?.text !== text), ...streamed.filter(({ data }) => data?.text !== text)];
    if (wrong.length > 0) throw new Error(`to ${text}: ${JSON.stringify(wrong[0])}`);
    const ids = new Set(all.map(({ id }) => id));
    if (ids.size !== all.length || streamed.length !== 20 * ids.size) throw new Error(`to ${text}: ${all.length} and ${streamed.length} replies`);
  }
  await client.terminate();
}
async function several(client, ...request) {
  const list = [];
  for await (const reply of client.sendAppRequest(...request)) list.push(reply);
  return list;
}

const begun = performance.now();
await Promise.all(Array.from({ length: Number(count) }, (_, n) => one(n)));
const seconds = (performance.now() - begun) / 1_000;
console.log(JSON.stringify({ clients: Number(count), requests: Number(count) * Number(requests) * 2, replies, seconds: Number(seconds.toFixed(2)) }));
