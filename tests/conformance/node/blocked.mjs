// Sends that block their thread, made in threads of their own, as a Node program makes them.
// Guarantees: a send has been made, or has failed, when its promise settles; a strand's sends are made one after another; the threads of a
// scenario end with it.
import { Worker } from "node:worker_threads";
import { TidingsError } from "./tidings.mjs";

const SENDER = `
  const { parentPort } = require("node:worker_threads");
  import(${JSON.stringify(new URL("tidings.mjs", import.meta.url).href)}).then(({ Engine }) => {
    parentPort.on("message", ({ engine, to, data, options }) => {
      try {
        Engine.from(engine).send(to, data, options);
        parentPort.postMessage({});
      } catch ({ code, message, errno }) {
        parentPort.postMessage({ code, message, errno });
      }
    });
  });`;

class Sender {
  #worker = new Worker(SENDER, { eval: true });
  constructor() {
    this.#worker.unref();
  }
  send(message) {
    return new Promise((done, failed) => {
      this.#worker.ref();
      this.#worker.once("message", (answer) => {
        this.#worker.unref();
        if (answer.code === undefined) return done();
        failed(Reflect.construct(TidingsError, [answer.code, answer.message, answer.errno]));
      });
      this.#worker.postMessage(message);
    });
  }
  end() {
    return this.#worker.terminate();
  }
}

/** The threads of one scenario. */
export class Senders {
  #idle = [];
  #all = [];
  busy = 0;

  async send(engine, to, data, { tag, from, timeout }) {
    const sender = this.#idle.pop() ?? new Sender();
    if (!this.#all.includes(sender)) this.#all.push(sender);
    this.busy++;
    try {
      await sender.send({ engine: engine.id, to: to.id, data, options: { tag, from: from?.id, timeout } });
    } finally {
      this.busy--;
      this.#idle.push(sender);
    }
  }
  end() {
    return Promise.all(this.#all.map((sender) => sender.end()));
  }
}
