// Subscribers of one channel and a publisher that keeps them busy: node load.cjs PORT SUBSCRIBERS SECONDS BYTES
// Ten of the subscribers are socketcluster-client, the others bare sockets; one more does not read at all. Publishes as fast as what is on its way stays
// below AHEAD publications; prints what came of it. The connections stay until there is something on standard input.
const { WebSocket } = require("ws");
const AHEAD = 40;
const SAMPLE = { scc14: 5, scc20: 5 };
const [port, subscribers, seconds, bytes] = process.argv.slice(2).map(Number);

let received = 0;
let lost = 0; // connections

function bare(closed) {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/socketcluster/`);
    socket.on("open", () => socket.send('[{"event":"#handshake","data":{},"cid":1},{"event":"#subscribe","data":{"channel":"log"},"cid":2}]'));
    socket.on("message", (data) => {
      if (data.length < 40) {
        if (data.length === 2) socket.send("#2");
        else if (data.toString() === '{"rid":2}') resolve(socket);
      } else if (data[2] === 101) received++; // "event"; the others are answers
    });
    socket.on("close", closed);
    socket.on("error", () => {});
  });
}

function sampled(name, closed) {
  const socket = require(name).create({ hostname: "127.0.0.1", port, multiplex: false, autoReconnect: false });
  const channel = socket.subscribe("log");
  if (name === "scc14") {
    channel.watch(() => received++);
    socket.on("disconnect", closed);
    return new Promise((resolve) => channel.once("subscribe", () => resolve(socket)));
  }
  const each = async (stream, take) => {
    for await (const value of stream) take(value);
  };
  each(channel, () => received++);
  each(socket.listener("disconnect"), closed);
  return channel.listener("subscribe").once().then(() => socket);
}

async function main() {
  let over = false;
  const closed = () => over || lost++;
  for (const [name, count] of Object.entries(SAMPLE)) for (let i = 0; i < count; i++) await sampled(name, closed);
  for (let i = 10; i < subscribers; i++) await bare(closed);
  const begun = Date.now();
  (await bare(() => {})).pause();
  const publisher = await bare(closed);
  const readers = subscribers + 1;

  const text = JSON.stringify({ event: "log", data: { type: "ACTION", payload: "x".repeat(bytes) } });
  let published = 0;
  await new Promise((resolve) => {
    const more = () => {
      if (Date.now() - begun > seconds * 1000) return resolve();
      for (let n = 0; n < AHEAD && published * readers - received < AHEAD * readers; n++, published++) publisher.send(text);
      setImmediate(more);
    };
    more();
  });
  const sending = (Date.now() - begun) / 1000;
  for (const until = Date.now() + 20_000; received < published * readers && Date.now() < until; ) await new Promise((resolve) => setTimeout(resolve, 5));
  const taken = (Date.now() - begun) / 1000;
  over = true;
  const deliveriesPerSecond = Math.round(received / taken);
  console.log(JSON.stringify({ subscribers: readers, published, missing: published * readers - received, seconds: sending, deliveriesPerSecond, lost }));
  process.stdin.resume().on("data", () => process.exit(0));
}
main();
