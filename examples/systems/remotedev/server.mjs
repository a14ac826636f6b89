// The server: an engine, HTTP, SocketCluster on it, and Remotedev's rules.
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { Engine } from "tidings";
import { Remotedev } from "./remotedev.mjs";
import { Reports } from "./reports.mjs";
import { SocketCluster } from "./socketcluster.mjs";

const LARGEST_REPORT = 16 * 2 ** 20;
const GOODBYE = 1_000; // ms that clients have to take what is on its way

const beside = (name) => readFileSync(new URL(name, import.meta.url));
const client = createRequire(import.meta.url).resolve("socketcluster-client/socketcluster-client.min.js");
const PAGES = new Map([
  ["/", { type: "text/html; charset=utf-8", body: beside("page.html") }],
  ["/page.mjs", { type: "text/javascript; charset=utf-8", body: beside("page.mjs") }],
  ["/socketcluster-client.js", { type: "text/javascript; charset=utf-8", body: readFileSync(client) }],
]);

/** Starts one, with the options of SocketCluster besides. */
export async function start({ hostname = "127.0.0.1", port = 8000, ...options } = {}) {
  const engine = new Engine();
  const reports = new Reports();
  const rules = new Remotedev(reports);
  const http = createServer((request, response) => {
    answer(request, reports, cluster).then(
      ({ status = 200, type = "application/json", body }) => response.writeHead(status, { "Content-Type": type, "Access-Control-Allow-Origin": "*" }).end(body),
      (error) => response.writeHead(error.status ?? 400, { "Content-Type": "text/plain" }).end(`${error.message}\n`),
    );
  });
  const cluster = new SocketCluster(engine, http, { allowClientPublish: false, ...options }, rules);
  rules.serve(cluster);
  http.listen(port, hostname);
  await once(http, "listening");
  return {
    engine,
    cluster,
    port: http.address().port,
    async stop() {
      const closed = once(http, "close");
      http.close();
      cluster.close();
      await engine.drain({ timeout: GOODBYE });
      const late = setTimeout(() => (http.closeAllConnections(), cluster.terminate()), GOODBYE);
      await closed;
      clearTimeout(late);
    },
  };
}

async function answer(request, reports, cluster) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (request.method === "POST" && pathname === "/") {
    const body = JSON.stringify(report(await read(request), reports, cluster));
    return { body };
  }
  const page = PAGES.get(pathname);
  if (page === undefined) throw Object.assign(new Error("there is a page at /, which takes reports, too"), { status: 404 });
  return page;
}

function report(asked, reports, cluster) {
  if (asked?.op === "get") return reports.get(asked.id) ?? {};
  if (asked?.op === "list") return reports.list();
  const { id, title, added } = reports.add(asked);
  cluster.publish("report", { type: "add", data: { id, title, added } });
  return { id };
}

async function read(request) {
  const chunks = [];
  let size = 0;
  for await (const chunk of request) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > LARGEST_REPORT) throw Object.assign(new Error("that is too large"), { status: 413 });
  }
  return JSON.parse(Buffer.concat(chunks).toString());
}
