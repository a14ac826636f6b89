// node main.mjs [--hostname 127.0.0.1] [--port 8000] [--ping-interval MS] [--ping-timeout MS]
import { parseArgs } from "node:util";
import { start } from "./server.mjs";

const text = { type: "string" };
const { values } = parseArgs({ options: { hostname: text, port: text, "ping-interval": text, "ping-timeout": text } });
const options = { hostname: values.hostname, port: values.port, pingInterval: values["ping-interval"], pingTimeout: values["ping-timeout"] };
for (const [name, value] of Object.entries(options)) {
  if (value === undefined) delete options[name];
  else if (name !== "hostname") options[name] = Number(value);
}

try {
  const server = await start(options);
  console.log(`listening on http://${options.hostname ?? "127.0.0.1"}:${server.port}`);
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => server.stop());
} catch (error) {
  console.error(`remotedev: ${error.message}`);
  process.exitCode = 1;
}
