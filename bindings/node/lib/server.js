// Servers in the manner of Erlang's gen_server: an object that one mailbox feeds, one message after another.
// Guarantees: the callbacks of a server never overlap, also where they are async; one that fails ends the server's mailbox with reason
// callback_failed and the error's text, and nothing else; terminate is called once, however the server ends, and before anyone is told where the
// server ends itself.
"use strict";
const { inspect } = require("node:util");
const { asyncDispose } = require("./dispose.js");
const { defaultEngine } = require("./engine.js");
const { invalid, optionsOf } = require("./errors.js");
const { failed, told, warn } = require("./mailbox.js");
const { reasonName, reasonNumber, Reason } = require("./names.js");
const { settled } = require("./settled.js");

// Being asked to stop is a signal: it keeps its place behind what was sent before, and fits into a mailbox that is full.
const STOP = 1n << 63n;
const saysStop = (message) => message.kind === "notify" && (BigInt(message.tag) & STOP) !== 0n;

class Server {
  #mailbox;
  #stop; // what it was asked to stop with: { status, data }
  #over; // settles when it is over and terminate has returned

  /** `this` is the class of the user's. */
  static start(settings, ...args) {
    const { engine = defaultEngine(), ...options } = optionsOf(settings);
    if (options.handler !== undefined) throw invalid("a server handles its messages itself: give it no handler");
    const server = new this(...args);
    server.#begin(engine.mailbox({ ...options, notifiable: true }));
    return server;
  }

  #begin(mailbox) {
    this.#mailbox = mailbox;
    let ready;
    try {
      ready = this.init();
    } catch (error) {
      mailbox.exit(Reason.CALLBACK_FAILED, told(error)[0]);
      throw error;
    }
    this.#over = this.#live(ready);
  }

  // ---------------------------------------------------------------- what a user's class overrides

  init() {}
  handleCall() {
    throw new Error(`${this.constructor.name} has no handleCall`);
  }
  handleCast() {
    throw new Error(`${this.constructor.name} has no handleCast`);
  }
  handleInfo(message) {
    const warning = new Error(`${inspect(this)} has no handleInfo for ${inspect(message)}`);
    warning.name = "TidingsWarning";
    process.emitWarning(warning);
  }
  handleDown(down) {
    return this.handleInfo(down);
  }
  terminate() {}

  // ---------------------------------------------------------------- its life

  async #live(ready) {
    let failure;
    try {
      await ready;
      for await (const message of this.#mailbox) {
        if (saysStop(message)) break;
        await this.#handle(message);
      }
    } catch (error) {
      failure = { error };
    }
    await this.#finish(failure);
  }

  #handle(message) {
    switch (message.kind) {
      case "request":
        return this.#answer(message);
      case "message":
        return this.handleCast(message);
      case "down":
        return this.handleDown(message);
      case "end":
        return undefined; // of losses, when all is over
      default:
        return this.handleInfo(message);
    }
  }

  async #answer(request) {
    const answer = await this.handleCall(request);
    if (answer === undefined) return;
    try {
      request.reply(answer);
    } catch (error) {
      if (error.code !== "TD_ESTALE") throw error; // the caller has given up
    }
  }

  async #finish(failure) {
    try {
      await this.terminate(this.#reason(failure), failure?.error);
      if (failure === undefined) this.#exit();
      else failed(this.#mailbox, failure.error);
    } catch (error) {
      if (!failed(this.#mailbox, error)) warn(this.#mailbox, error);
    }
  }

  /** Why it ends: as its mailbox did, if somebody has ended that. */
  #reason(failure) {
    return this.#mailbox._reason() ?? (failure === undefined ? reasonName(this.#asked().status) : "callback_failed");
  }
  #asked() {
    return this.#stop ?? { status: Reason.NORMAL };
  }

  #exit() {
    const { status, data } = this.#asked();
    try {
      this.#mailbox.exit(status, data);
    } catch (error) {
      if (error.code === "TD_EINVAL") throw error; // else it is over
    }
  }

  // ---------------------------------------------------------------- from outside

  get mailbox() {
    if (this.#mailbox === undefined) throw invalid("this server was not started: use the start() of its class");
    return this.#mailbox;
  }
  get id() {
    return this.mailbox.id;
  }
  get engine() {
    return this.mailbox.engine;
  }
  call(data, options) {
    return this.mailbox.call(data, options);
  }
  cast(data, options) {
    this.mailbox.send(data, options);
  }

  async stop(reason, options) {
    const { data, timeout, signal } = optionsOf(options);
    signal?.throwIfAborted();
    const { engine, mailbox } = this;
    const status = reasonNumber(reason);
    if (this.#stop === undefined) {
      this.#stop = { status, data };
      try {
        mailbox.notify(STOP);
      } catch {
        // it is over already
      }
    }
    engine._hold(1);
    try {
      await this.ended({ timeout, signal });
    } finally {
      engine._hold(-1);
    }
  }
  [asyncDispose]() {
    return this.stop();
  }

  ended(options) {
    const { timeout, signal } = optionsOf(options);
    return settled(this.#over, { deadline: this.engine._deadline(timeout), signal, what: "the end of the server" });
  }

  ref() {
    this.mailbox.ref();
    return this;
  }
  unref() {
    this.mailbox.unref();
    return this;
  }

  [inspect.custom]() {
    return `<${this.constructor.name} of ${this.#mailbox ?? "nothing yet"}>`;
  }
}

module.exports = { Server };
