// remotedev, the library for what is not Redux: node sender.cjs PORT; sends a tick now and again, prints what it is told.
const { connectViaExtension } = require("remotedev");
const devTools = connectViaExtension({ realtime: true, hostname: "127.0.0.1", port: Number(process.argv[2]), name: "sender" });
let ticks = 0;
devTools.init({ ticks });
devTools.subscribe((message) => console.log(JSON.stringify(message)));
setInterval(() => devTools.send("tick", { ticks: ++ticks }), 100);
