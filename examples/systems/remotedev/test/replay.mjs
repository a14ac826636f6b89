// Says again what a recorded client has said, and hears whether the answers are the recorded ones: each connection's frames, in order and no others.
//   # a section    NAME > what it sends    NAME < what it gets    NAME CLOSE code reason
// Ids and tokens are what they are, and pings come when they come: those are answered, except by whom the recording shows not to.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { WebSocket } from "ws";
import { until } from "./support.mjs";

const ANSWERS_NO_PING = ["b", "f"];

/** The sections of a recording: title -> lines. */
export function sections(file) {
  const found = new Map();
  let lines;
  for (const line of readFileSync(new URL(`recordings/${file}`, import.meta.url), "utf8").split("\n")) {
    if (line.startsWith("# ")) found.set(line.slice(2), (lines = []));
    else if (line !== "") lines.push(line);
  }
  return found;
}

const same = (text) => text.replace(/[A-Za-z0-9_-]{20}(?=["\s])/g, "ID").replace(/"token":"[^"]+"/, '"token":"TOKEN"').trimEnd();
const whole = (text) => text.replace(/^(.*)\.\.\.\((\d+)\)$/, (_, begin, size) => `${begin.padEnd(Number(size) - 11, "x")}","cid":60}`);

class Connection {
  got = []; // what has come and was not expected yet

  constructor(name, port) {
    this.name = name;
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/socketcluster/`);
    this.open = new Promise((resolve, reject) => this.socket.once("open", resolve).once("error", reject));
    this.socket.on("message", (data) => this.#heard(data.toString()));
    this.socket.on("close", (code, reason) => this.got.push(`CLOSE ${code} ${reason}`));
  }
  #heard(text) {
    if (text === "") return;
    if (text !== "#1") this.got.push(`< ${text}`);
    else if (!ANSWERS_NO_PING.includes(this.name)) this.socket.send("#2");
  }
  async expect(line) {
    if (line.startsWith("CLOSE 1005")) this.socket.close(); // it was the client that closed
    const got = await until(() => this.got.shift(), `${this.name} ${line}`);
    assert.equal(same(got), same(line), `${this.name}: what the server says`);
  }
}

/** Replays lines, over connections that may be open from an earlier section. */
export async function replay(lines, port, connections = new Map()) {
  for (const line of lines) {
    const [, name, rest] = /^(\w+) (.*)$/.exec(line);
    if (!connections.has(name)) connections.set(name, new Connection(name, port));
    const connection = connections.get(name);
    await connection.open;
    if (rest.startsWith("> ")) connection.socket.send(whole(rest.slice(2)));
    else await connection.expect(rest);
  }
  for (const { got, name } of connections.values()) assert.deepEqual(got, [], `${name}: nothing more`);
  return connections;
}
