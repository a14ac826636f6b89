// Whole sessions of the programs that people use: remote-redux-devtools and remotedev-app, remotedev, Python's sample; and what becomes of those
// who stay when others go, the server too.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, PYTHON } from "./clients.mjs";
import { inside, node, run, serve, settled, sleep, until, within } from "./support.mjs";

const KIND = "socketcluster-client 14.3.2";

function monitor(t, port) {
  const program = node(t, ["monitor.cjs", String(port)]);
  const actions = () => program.lines.map((line) => JSON.parse(line));
  const updates = (type) => actions().filter((action) => action.type === "devTools/UPDATE_STATE" && action.request.type === type);
  return Object.assign(program, {
    actions,
    states: () => updates("ACTION").map(({ request }) => JSON.parse(request.payload).count),
    began: () => updates("STATE").length > 0,
    subscribed: () => actions().filter(({ type }) => type === "socket/SUBSCRIBE_SUCCESS").length === 2,
    dispatch: (action) => program.child.stdin.write(`${JSON.stringify(action)}\n`),
    ready: (what) => until(() => what.every((hold) => hold()), () => program.told()),
  });
}

const app = (t, port, actions, ms) => node(t, ["app.cjs", String(port), String(actions), String(ms)]);
const INSTANCE = (seen) => seen.actions().find((action) => action.request?.type === "STATE").request.id;

test("C6: a redux session: remotedev-app jumps to a state of the app, and dispatches an action in it", async (t) => {
  const { port } = await serve(t);
  const watching = monitor(t, port);
  await watching.ready([watching.subscribed]);
  const counter = app(t, port, 4, 100);
  await until(() => watching.states().at(-1) === 4, () => watching.told());
  assert.deepEqual(watching.states(), [1, 2, 3, 4]);

  watching.dispatch({ type: "devTools/SELECT_INSTANCE", selected: INSTANCE(watching) });
  watching.dispatch({ type: "devTools/LIFTED_ACTION", message: "DISPATCH", action: { type: "JUMP_TO_STATE", index: 1, actionId: 1 } });
  await until(() => counter.lines.at(-1) === "state 1", () => counter.told());
  watching.dispatch({ type: "devTools/LIFTED_ACTION", message: "DISPATCH", action: { type: "JUMP_TO_STATE", index: 4, actionId: 4 } });
  await until(() => counter.lines.at(-1) === "state 4", () => counter.told());
  watching.dispatch({ type: "devTools/LIFTED_ACTION", message: "ACTION", action: "{ type: 'DEC' }" });
  await until(() => counter.lines.at(-1) === "state 3", () => counter.told());
  await until(() => watching.states().at(-1) === 3, () => watching.told());
});

test("C7: streaming starts for an app that comes after the monitor, and for one that was there", async (t) => {
  const { port } = await serve(t);
  const early = app(t, port, 1000, 100);
  await until(() => early.lines.includes("state 3"), () => early.told());
  const watching = monitor(t, port);
  await until(() => watching.states().length > 2, () => watching.told());
  app(t, port, 1000, 100);
  const ids = () => new Set(watching.actions().filter(({ request }) => request?.type === "ACTION").map(({ request }) => request.id));
  await until(() => ids().size === 2, () => watching.told());
});

test("C8: when one of two monitors is killed, the other gets every action", async (t) => {
  const { port, cluster } = await serve(t);
  const [one, other] = [monitor(t, port), monitor(t, port)];
  await one.ready([one.subscribed, other.subscribed]);
  const counter = app(t, port, 14, 150);
  await until(() => one.states().length >= 4 && other.states().length >= 4, () => one.told());
  other.child.kill("SIGKILL");
  await until(() => counter.lines.includes("all dispatched"), () => counter.told());
  await until(() => one.states().length === 14, () => one.told());
  assert.deepEqual(one.states(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
  assert.ok(!one.told().includes('"STOP"'));
  assert.equal(cluster.connections.size, 2);
});

test("C8: a monitor that says STOP stops nothing for another; the last one to go stops the app", async (t) => {
  const server = await serve(t);
  const counter = await client(t, KIND, server);
  const [one, other] = [await client(t, KIND, server), await client(t, KIND, server)];
  const heard = await counter.subscribe(await counter.ask("login", "master"));
  for (const monitor of [one, other]) await monitor.ask("login", {});
  other.tell("respond", { type: "STOP" });
  one.tell("respond", { type: "UPDATE" });
  await until(() => heard.length === 1, "what comes after the STOP");
  assert.deepEqual(heard, [{ type: "UPDATE" }]);
  const id = one.id;
  one.leave(); // the other said that it wants no more, so this was the last
  await until(() => heard.length === 2, "the end");
  assert.deepEqual(heard[1], { id, type: "DISCONNECTED" });
  other.tell("respond", { type: "START" });
  await until(() => heard.length === 3, "the START");
  other.tell("respond", { type: "STOP" }); // of the last one
  await until(() => heard.length === 4, "the STOP");
  assert.deepEqual(heard[3], { type: "STOP" });
});

test("C9: that an app is gone, killed or by itself, monitors hear once", async (t) => {
  const server = await serve(t);
  const monitor = await client(t, KIND, server);
  const heard = await monitor.subscribe(await monitor.ask("login", {}));
  const killed = app(t, server.port, 1000, 50);
  await until(() => heard.some(({ type }) => type === "START"), () => killed.told());
  const gone = () => heard.filter(({ type }) => type === "DISCONNECTED");
  killed.child.kill("SIGKILL");
  await until(() => gone().length === 1, "the news of the killed one");
  assert.deepEqual(gone()[0], { id: heard.find(({ type }) => type === "START").id, type: "DISCONNECTED" });
  const polite = await client(t, KIND, server);
  await polite.ask("login", "master");
  await polite.ask("login", "master");
  const { id } = polite;
  polite.leave();
  await until(() => gone().length === 2, "the news of the other");
  await sleep(150);
  assert.deepEqual(gone().slice(1), [{ id, type: "DISCONNECTED" }]);
});

test("C10: an app that stands still, as at a breakpoint, counts as gone after the ping timeout and not before", async (t) => {
  const patient = await serve(t, { pingInterval: 200, pingTimeout: 20_000 });
  const strict = await serve(t, { pingInterval: 200, pingTimeout: 1_000 });
  const seen = new Map();
  for (const server of [patient, strict]) {
    const watching = monitor(t, server.port);
    await watching.ready([watching.subscribed]);
    const counter = app(t, server.port, 8, 100);
    await until(() => watching.states().length > 1, () => watching.told());
    counter.child.kill("SIGSTOP");
    seen.set(server, { watching, counter });
  }
  const gone = ({ watching }) => watching.actions().some(({ type }) => type === "devTools/REMOVE_INSTANCE");
  await until(() => gone(seen.get(strict)), () => seen.get(strict).watching.told());
  const { watching, counter } = seen.get(patient);
  counter.child.kill("SIGCONT");
  await until(() => watching.states().length === 8, () => watching.told());
  assert.deepEqual(watching.states(), [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.ok(!gone(seen.get(patient)));
});

test("C5: remotedev 0.2.9 speaks before it knows its id, and is told what to do", async (t) => {
  const server = await serve(t);
  const monitor = await client(t, KIND, server);
  const heard = await monitor.subscribe(await monitor.ask("login", {}));
  const sender = node(t, ["sender.cjs", String(server.port)]);
  await until(() => heard.length > 2, () => sender.told());
  const { id } = [...server.cluster.connections].find((connection) => connection.id !== monitor.id);
  assert.ok(heard.every((message) => message.id === id), JSON.stringify(heard));
  monitor.tell(`sc-${id}`, { type: "START" });
  monitor.tell(`sc-${id}`, { type: "DISPATCH", payload: { type: "JUMP_TO_STATE", index: 1 }, state: '{"ticks":1}' });
  await until(() => sender.lines.some((line) => line.includes("JUMP_TO_STATE")), () => sender.told());
});

test("C18: the sample of Python's socketclusterclient 1.3.0, as app and as monitor", async (t) => {
  const server = await serve(t, { pingInterval: 300, pingTimeout: 1000 });
  const sample = (role) => run(t, PYTHON, ["sample.py", String(server.port), role]);
  const [counter, watching] = [sample("app"), sample("monitor")];
  const say = (program, ...what) => program.child.stdin.write(`${JSON.stringify(what)}\n`);
  const prints = (program, line) => until(() => program.lines.includes(line), () => `${line}: ${program.told()}`);
  await prints(counter, "app login '' respond");
  await prints(watching, "monitor login '' log");
  await until(() => [...server.cluster.connections].every(({ subscriptions }) => subscriptions.length === 1), "both subscriptions");
  const id = counter.lines.find((line) => line.includes("authenticated")).split(" ").at(-1);
  say(counter, "log", { type: "ACTION", id });
  await prints(watching, `monitor message log {"id": "${id}", "type": "ACTION"}`);
  say(watching, "respond", { type: "START" });
  await prints(counter, 'app message respond {"type": "START"}');
  say(watching, `sc-${id}`, { type: "DISPATCH" });
  await prints(counter, 'app message respond {"type": "DISPATCH"}');
  await sleep(2000); // twice the time after which one that does not answer pings is out
  say(counter, "disconnect", null);
  await prints(watching, `monitor message log {"id": "${id}", "type": "DISCONNECTED"}`);
  assert.equal(await within(counter.ended, "its end"), 0);
  assert.ok(counter.lines.includes("app disconnect"));
});

test("C20: who subscribes to reports is given the list before the answer; an unknown report is nothing", async (t) => {
  const server = await serve(t);
  const url = `http://127.0.0.1:${server.port}/`;
  const post = async (report) => (await fetch(url, { method: "POST", body: JSON.stringify(report) })).json();
  const watching = monitor(t, server.port);
  await watching.ready([watching.subscribed]);
  const seen = watching.actions().map(({ type, channel }) => [type, channel ?? ""].join(" "));
  const list = watching.actions().find(({ type }) => type === "reports/UPDATE");
  assert.deepEqual(list.request, { type: "list", data: [] });
  assert.ok(seen.indexOf("reports/UPDATE ") < seen.indexOf("socket/SUBSCRIBE_SUCCESS report"), seen.join("\n"));

  const one = await client(t, KIND, server);
  assert.equal(await one.ask("getReport", "nope"), undefined);
  const { id } = await post({ type: "STATE", title: "crash", payload: "{}" });
  assert.equal((await one.ask("getReport", id)).title, "crash");
  assert.deepEqual((await post({ op: "list" })).map(({ title }) => title), ["crash"]);
  assert.equal((await post({ op: "get", id })).payload, "{}");
  await until(() => watching.actions().some(({ request }) => request?.type === "add" && request.data.title === "crash"), () => watching.told());
  const wrong = await fetch(url, { method: "POST", body: '{"no":"report"}' });
  assert.equal(wrong.status, 400);
});

test("C14: the server is killed and comes again: the client, too, with its channels; what was not answered has failed", async (t) => {
  let server = node(t, ["../main.mjs", "--port", "0"]);
  const listening = (program) => until(() => /:(\d+)$/.exec(program.lines[0])?.[1], () => program.told());
  const port = Number(await listening(server));
  const one = await client(t, KIND, { port }, { autoReconnect: true, ackTimeout: 1500, autoReconnectOptions: { initialDelay: 300, randomness: 0, multiplier: 1.5, maxDelay: 2000 } });
  const heard = await one.subscribe("log");
  const teller = await client(t, KIND, { port });
  teller.tell("log", "one");
  await until(() => heard.length === 1, "the first");

  const unanswered = one.ask("nobody answers this", 1);
  server.child.kill("SIGKILL");
  await assert.rejects(unanswered, { name: "BadConnectionError" });
  await assert.rejects(one.ask("login", {}), { name: "BadConnectionError" });

  server = node(t, ["../main.mjs", "--port", String(port)]);
  await listening(server);
  await until(() => one.state === "open" && one.channel.state === "subscribed", () => JSON.stringify(one.events));
  const again = await client(t, KIND, { port });
  again.tell("log", "two");
  await until(() => heard.length === 2, "the second");
  assert.deepEqual(heard, ["one", "two"]);
  await assert.rejects(one.ask("nobody answers this", 1), { name: "TimeoutError" });

  server.child.kill("SIGTERM"); // and in peace: clients come again after that, too
  assert.equal(await within(server.ended, "the server's end"), 0);
  server = node(t, ["../main.mjs", "--port", String(port)]);
  await listening(server);
  await until(() => one.events.filter(([name]) => name === "connect").length === 3 && one.channel.state === "subscribed", () => JSON.stringify(one.events));
});
