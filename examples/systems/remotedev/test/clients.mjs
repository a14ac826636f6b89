// Other people's clients, each behind the same few words:
//   ask(event, data) -> the answer, tell(event, data), subscribe(channel) -> what it brings, on(event) -> what comes, publish(channel, data), leave()
// and `id`, `handshake` (what the server has said), `events` ([name, ...] as they came).
import { createInterface } from "node:readline";
import path from "node:path";
import { here, require, run, until, within } from "./support.mjs";

export const PYTHON = process.env.REMOTEDEV_PYTHON ?? path.join(here, "../../../../build/systems/remotedev-venv/bin/python");

const words = (value) => (value instanceof Error ? { name: value.name, message: value.message } : value);

/** socketcluster-client up to 14: callbacks. */
class Callbacks {
  static EVENTS = ["connect", "disconnect", "error", "connectAbort", "authStateChange", "subscribe", "unsubscribe", "subscribeFail", "kickOut", "close"];
  events = [];

  constructor(name, port, options) {
    this.socket = require(name).create({ hostname: "127.0.0.1", port, multiplex: false, autoReconnect: false, ...options });
    for (const event of Callbacks.EVENTS) this.socket.on(event, (...args) => this.events.push([event, ...args.map(words)]));
  }
  async connected() {
    const [, status] = await until(() => this.events.find(([name]) => name === "connect"), () => `connect: ${JSON.stringify(this.events)}`);
    this.handshake = status;
    return this;
  }
  get id() {
    return this.socket.id;
  }
  ask(event, data) {
    return within(new Promise((resolve, reject) => this.socket.emit(event, data, (error, answer) => (error ? reject(error) : resolve(answer)))), `the answer to ${event}`);
  }
  tell(event, data) {
    this.socket.emit(event, data);
  }
  async subscribe(channel) {
    const got = [];
    this.channel = this.socket.subscribe(channel);
    this.channel.watch((data) => got.push(data));
    await until(() => this.channel.state === "subscribed", `the subscription of ${channel}`);
    return got;
  }
  on(event) {
    const got = [];
    this.socket.on(event, (data) => got.push(data));
    return got;
  }
  answer(event, how) {
    this.socket.on(event, (data, respond) => how(data, (error, answer) => respond(error, answer)));
  }
  publish(channel, data) {
    return new Promise((resolve, reject) => this.socket.publish(channel, data, (error) => (error ? reject(error) : resolve())));
  }
  authenticate(token) {
    return new Promise((resolve, reject) => this.socket.authenticate(token, (error, status) => (error ? reject(error) : resolve(status))));
  }
  get state() {
    return this.socket.state;
  }
  leave() {
    this.socket.destroy?.() ?? this.socket.disconnect();
  }
}

/** socketcluster-client from 15 on: streams. */
class Streams {
  static EVENTS = ["connect", "disconnect", "error", "connectAbort", "authStateChange", "subscribe", "unsubscribe", "subscribeFail", "kickOut", "close"];
  events = [];

  constructor(name, port, options) {
    this.socket = require(name).create({ hostname: "127.0.0.1", port, autoReconnect: false, ...options });
    for (const event of Streams.EVENTS) this.#each(this.socket.listener(event), (data) => this.events.push([event, words(data?.error ?? data)]));
  }
  async #each(stream, take) {
    for await (const value of stream) take(value);
  }
  async connected() {
    const [, status] = await until(() => this.events.find(([name]) => name === "connect"), () => `connect: ${JSON.stringify(this.events)}`);
    this.handshake = status;
    return this;
  }
  get id() {
    return this.socket.id;
  }
  ask(event, data) {
    return within(this.socket.invoke(event, data), `the answer to ${event}`);
  }
  tell(event, data) {
    this.socket.transmit(event, data);
  }
  async subscribe(channel) {
    const got = [];
    this.channel = this.socket.subscribe(channel);
    this.#each(this.channel, (data) => got.push(data));
    await until(() => this.channel.state === "subscribed", `the subscription of ${channel}`);
    return got;
  }
  on(event) {
    const got = [];
    this.#each(this.socket.receiver(event), (data) => got.push(data));
    return got;
  }
  answer(event, how) {
    this.#each(this.socket.procedure(event), (request) => how(request.data, (error, data) => (error ? request.error(error) : request.end(data))));
  }
  publish(channel, data) {
    return this.socket.invokePublish(channel, data);
  }
  authenticate(token) {
    return this.socket.authenticate(token);
  }
  get state() {
    return this.socket.state;
  }
  leave() {
    this.socket.disconnect();
  }
}

/** socketclusterclient of Python, in a process of its own. It has one callback for a channel and the event of that name, so both are one list. */
class Python {
  events = [];
  #answers = new Map();
  #last = 0;
  #lists = new Map();
  #how = new Map();

  constructor(t, port) {
    this.program = run(t, PYTHON, ["client.py", String(port)]);
    createInterface({ input: this.program.child.stdout }).on("line", (line) => this.#told(JSON.parse(line)));
  }
  #told([what, ...rest]) {
    if (what === "answer") this.#answers.get(rest[0])(rest[1], rest[2]);
    else if (what === "got") this.#lists.get(rest[0])?.push(rest[1]);
    else this.events.push([what, ...rest]);
  }
  #say(...command) {
    this.program.child.stdin.write(`${JSON.stringify(command)}\n`);
  }
  async connected() {
    const [, handshake] = await until(() => this.events.find(([name]) => name === "auth"), () => `connect: ${this.program.told()}`);
    this.handshake = handshake;
    return this;
  }
  get id() {
    return this.handshake.id;
  }
  #call(what, ...rest) {
    return new Promise((resolve, reject) => {
      this.#answers.set(++this.#last, (error, data) => (error ? reject(error) : resolve(data)));
      this.#say(what, this.#last, ...rest);
    });
  }
  ask(event, data) {
    return within(this.#call("ask", event, data), `the answer to ${event}`);
  }
  tell(event, data) {
    this.#say("tell", event, data);
  }
  #list(name) {
    if (!this.#lists.has(name)) this.#lists.set(name, []);
    return this.#lists.get(name);
  }
  async subscribe(channel) {
    const got = this.#list(channel);
    await within(this.#call("subscribe", channel), `the subscription of ${channel}`);
    return got;
  }
  on(event) {
    this.#say("on", event);
    return this.#list(event);
  }
  answer(event, answer) {
    this.#say("answer", event, answer);
  }
  publish(channel, data) {
    return this.#call("publish", channel, data);
  }
  get state() {
    return this.program.child.exitCode === null && !this.events.some(([name]) => name === "disconnect") ? "open" : "closed";
  }
  leave() {
    this.#say("leave");
  }
}

const kinds = {
  "socketcluster-client 13.0.1": (t, port, options) => new Callbacks("scc13", port, options),
  "socketcluster-client 14.3.2": (t, port, options) => new Callbacks("scc14", port, options),
  "socketcluster-client 20.0.2": (t, port, options) => new Streams("scc20", port, options),
  "socketcluster-client 20.0.2, protocol 1": (t, port, options) => new Streams("scc20", port, { protocolVersion: 1, ...options }),
  "socketclusterclient 1.3.0": (t, port) => new Python(t, port),
};
export const everyKind = Object.keys(kinds);

/** A client that has shaken hands; it leaves after the test. */
export async function client(t, kind, { port }, options) {
  const made = kinds[kind](t, port, options);
  t.after(() => made.leave());
  return made.connected();
}

