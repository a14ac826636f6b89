// What the checks share: what those of the other systems share, and a server.
import { once } from "node:events";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Engine } from "tidings";
import { programsIn, within } from "../../testing.mjs";
import { start } from "../server.mjs";
import { SocketCluster } from "../socketcluster.mjs";

export * from "../../testing.mjs";
export const require = createRequire(import.meta.url);
export const here = path.dirname(fileURLToPath(import.meta.url));
export const { run, node } = programsIn(here);

/** A server on a free port, stopped after the test. */
export async function serve(t, options = {}) {
  const server = await start({ port: 0, ...options });
  t.after(() => within(server.stop(), "the server's end"));
  return server;
}

/** A first call opens a mailbox of the package's own, for all of them: counting begins after that. */
export async function settled(engine) {
  const echo = engine.mailbox({ handler: (request) => request.reply() });
  await engine.call(echo);
  echo.close();
}

/** SocketCluster alone, with rules of the test's own. */
export async function serveRules(t, options, rules) {
  const engine = new Engine();
  const http = createServer();
  const cluster = new SocketCluster(engine, http, options, rules);
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.after(() => {
    cluster.close();
    http.close();
    http.closeAllConnections();
    engine.close();
  });
  return { engine, cluster, port: http.address().port };
}
