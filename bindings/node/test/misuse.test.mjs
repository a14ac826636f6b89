// What users do by mistake, or by right where it looks like one: it is answered by an error that says what would be right, and never by a message that is
// lost, empty or addressed to something else.
import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";
import { Engine } from "tidings";
import { until } from "../testing/support.mjs";

function engineOf(t) {
  const engine = new Engine().ref();
  t.after(() => engine.close());
  return engine;
}
const refused = (run, text) => assert.throws(run, (error) => error.code === "TD_EINVAL" && text.test(error.message));
const rejected = (promise, text) => assert.rejects(promise, (error) => error.code === "TD_EINVAL" && text.test(error.message));
/** What postMessage with a transfer list does to a payload. */
const handOver = ({ data }) => structuredClone(data, { transfer: [data.buffer] });

const COUNT = 500;
const readers = {
  async iteration(engine, box, take) {
    for await (const message of box.messages({ timeout: 5000 })) if (take(message) === COUNT) break;
  },
  async recv(engine, box, take) {
    while (take(await box.recv({ timeout: 5000 })) < COUNT);
  },
};

for (const way of ["iteration", "recv", "handler"]) {
  test(`the payload of a message can be handed over to another thread, and the next ones come all the same: ${way}`, async (t) => {
    const engine = engineOf(t);
    const came = [];
    const take = (message) => {
      came.push(message.text());
      if (came.length % 10 === 3) assert.equal(Buffer.from(handOver(message)).toString(), came.at(-1));
      return came.length;
    };
    const box = engine.mailbox(way === "handler" ? { handler: take } : {});
    for (let i = 0; i < COUNT; i++) box.send(String(i));
    if (way === "handler") await until(() => came.length === COUNT, "all of them");
    else await readers[way](engine, box, take);
    assert.deepEqual(came, Array.from({ length: COUNT }, (_, i) => String(i)));
    const { delivered, lost, queued, open } = box.stats();
    assert.deepEqual({ delivered, lost, queued, open }, { delivered: COUNT, lost: 0, queued: 0, open: true });
  });
}

test("a request whose payload was handed over can still be answered, and so can its neighbours", async (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  const answers = [1, 2, 3].map((n) => engine.call(box, String(n)));
  const requests = [];
  for await (const request of box) if (requests.push(request) === 3) break;
  handOver(requests[1]);
  requests.forEach((request, i) => request.reply(`answer ${i}`));
  assert.deepEqual((await Promise.all(answers)).map((answer) => answer.text()), ["answer 0", "answer 1", "answer 2"]);
});

test("what is nothing to send is refused, also among many", (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  box.subscribe("t");
  for (const wrong of [5, true, 5n, {}, [1], new Blob(["x"]), { data: 5 }, { data: {} }]) {
    if (!(typeof wrong === "object" && "data" in wrong)) refused(() => box.send(wrong), /string, a Uint8Array or Buffer/);
    refused(() => box.sendMany(["good", wrong]), /string, a Uint8Array or Buffer/);
    refused(() => engine.publishMany("t", ["good", wrong]), /string, a Uint8Array or Buffer/);
  }
  assert.equal(box.tryRecv(), undefined, "nothing of it was sent");
  assert.equal(box.sendMany([undefined, null, {  data: undefined, tag: 1 }]), 3, "no payload is one that is empty");
});

test("an ArrayBuffer of another realm is one", (t) => {
  const box = engineOf(t).mailbox();
  const foreign = vm.runInNewContext("new Uint8Array([1, 2, 3]).buffer");
  box.send(foreign);
  box.sendMany([foreign, { data: foreign }]);
  for (let i = 0; i < 3; i++) assert.deepEqual([...box.tryRecv().data], [1, 2, 3]);
});

test("memory that was handed over has nothing to send any more", (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  const gone = [new Uint8Array(10), new ArrayBuffer(10), new DataView(new ArrayBuffer(10)), Buffer.from(new ArrayBuffer(10))];
  for (const one of gone) structuredClone(null, { transfer: [one.buffer ?? one] });
  for (const one of gone) {
    refused(() => box.send(one), /handed over|detached/);
    refused(() => box.sendMany([one]), /handed over|detached/);
    refused(() => engine.publish("t", one), /handed over|detached/);
  }
  assert.equal(box.tryRecv(), undefined);
  box.send(new Uint8Array(0));
  assert.equal(box.tryRecv().data.length, 0, "what is empty by itself can be sent");
});

test("a typed array of a kind that this package does not know yet is sent by its bytes", { skip: globalThis.Float16Array === undefined }, (t) => {
  const box = engineOf(t).mailbox();
  const halves = new Float16Array([1, 2, 3]);
  box.send(halves);
  assert.deepEqual(box.tryRecv().copy(), new Uint8Array(halves.buffer));
});

test("topics and names are strings", (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  for (const wrong of [undefined, null, 5, Symbol("x"), {}]) {
    for (const [what, run] of [
      ["topic", () => engine.publish(wrong, "x")], ["topic", () => engine.publishMany(wrong, ["x"])], ["name", () => engine.register(wrong, box)],
      ["name", () => engine.registerReplace(wrong, box)], ["name", () => engine.unregister(wrong)], ["name", () => engine.whereis(wrong)],
    ]) refused(run, new RegExp(`^${what} must be a string, not`));
  }
});

test("options are objects: a name, a tag, a time in their place are refused, not passed over", async (t) => {
  const engine = engineOf(t);
  const box = engine.mailbox();
  for (const wrong of ["inbox", 5, null, true]) {
    refused(() => engine.mailbox(wrong), /options must be an object/);
    refused(() => new Engine(wrong), /options must be an object/);
    refused(() => box.send("x", wrong), /options must be an object/);
    refused(() => engine.send(box, "x", wrong), /options must be an object/);
    refused(() => engine.publish("t", "x", wrong), /options must be an object/);
    refused(() => box.tryRecv(wrong), /options must be an object/);
    refused(() => box.messages(wrong), /options must be an object/);
    refused(() => engine.sendAfter(box, 1, "x", wrong), /options must be an object/);
    refused(() => box.monitor(box, wrong), /options must be an object/);
    refused(() => box.subscribe("t", wrong), /options must be an object/);
    await rejected(box.recv(wrong), /options must be an object/);
    await rejected(engine.call(box, "x", wrong), /options must be an object/);
  }
  assert.equal(box.tryRecv(), undefined);
});

test("a mailbox that makes its senders wait says for how long, or for ever", (t) => {
  const engine = engineOf(t);
  for (const wrong of [0, -1, NaN, "5"]) refused(() => engine.mailbox({ policy: "block", blockTimeout: wrong }), /^blockTimeout must be/);
});

test("closing what is over does nothing", (t) => {
  const engine = new Engine();
  const box = engine.mailbox();
  box.close();
  box.close();
  const other = engine.mailbox();
  engine.close();
  other.close();
  engine.close();
  assert.throws(() => box.exit(), { code: "TD_ENOPROC" });
});
