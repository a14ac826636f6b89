// Has all workers count, and counts with them; prints how many came from each. Arguments: the socket, how far, the request if it is not "stream".
import { connect } from "../client.mjs";

const [path, n, request = "stream"] = process.argv.slice(2);
const client = await connect(path);
const counts = new Map();
const begun = performance.now();
for await (const { id, data, errors } of client.sendAppRequest(request, { count: Number(n) })) {
  const expected = (counts.get(id) ?? 0) + 1;
  if (data !== expected) throw new Error(`${id}: ${errors ?? data} in place of ${expected}`);
  counts.set(id, expected);
}
const seconds = (performance.now() - begun) / 1_000;
const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
console.log(JSON.stringify({ counts: [...counts.values()], seconds: Number(seconds.toFixed(2)), repliesPerSecond: Math.round(total / seconds) }));
await client.terminate();
