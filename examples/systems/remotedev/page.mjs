// A monitor in the browser: what the apps do, live, and a way back to each of their states. It speaks to the server by SocketCluster's own client.
import { create } from "/socketcluster-client.js";

const socket = create({ hostname: location.hostname, port: location.port, secure: location.protocol === "https:", autoReconnectOptions: { initialDelay: 500, randomness: 500 } });
const element = (id) => document.getElementById(id);
const apps = new Map(); // instance -> { name, id: of its connection, steps: [{ type, state, actionId }], gone }
let chosen; // instance
let shown; // step

async function each(stream, take) {
  for await (const value of stream) take(value);
}

each(socket.listener("connect"), async () => {
  const channel = await socket.invoke("login", {});
  element("status").value = "connected";
  if (!socket.isSubscribed(channel, true)) each(socket.subscribe(channel), heard);
  socket.transmit("respond", { type: "START" });
});
each(socket.listener("disconnect"), () => (element("status").value = "disconnected"));

// ---------------------------------------------------------------- what apps say

const parsed = (text) => (typeof text === "string" ? JSON.parse(text) : text);

function heard(message) {
  const said = message.data === undefined ? message : { ...message.data, id: message.id };
  const instance = said.instanceId ?? said.id;
  if (said.type === "DISCONNECTED") {
    for (const app of apps.values()) if (app.id === said.id) app.gone = true;
  } else if (said.type === "START") socket.transmit(`sc-${said.id}`, { type: "START" });
  else {
    if (!apps.has(instance)) apps.set(instance, { steps: [] });
    const app = Object.assign(apps.get(instance), { id: said.id, name: said.name ?? instance, gone: false });
    chosen ??= instance;
    if (said.type === "INIT") app.steps = [{ type: "@@INIT", state: parsed(said.payload), actionId: 0 }];
    else if (said.type === "STATE") app.steps = history(parsed(said.payload));
    else if (said.type === "ACTION") add(app, said);
  }
  show();
}

function history({ actionsById, stagedActionIds, computedStates }) {
  return stagedActionIds.map((actionId, index) => ({ type: actionsById[actionId].action.type, state: computedStates[index].state, actionId }));
}

function add(app, { action, payload, nextActionId, isExcess }) {
  const done = parsed(action);
  if (isExcess) app.steps.shift();
  app.steps.push({ type: (done.action ?? done).type ?? String(done), state: parsed(payload), actionId: (nextActionId ?? app.steps.length + 1) - 1 });
}

// ---------------------------------------------------------------- what the person does

function jump(app, index) {
  const { actionId, state } = app.steps[index];
  shown = app.steps[index];
  const action = { type: "JUMP_TO_STATE", index, actionId };
  socket.transmit(`sc-${app.id}`, { type: "DISPATCH", action, payload: action, state: JSON.stringify(state), instanceId: chosen });
  show();
}

function item(list, texts, current, click) {
  const row = list.appendChild(document.createElement("li"));
  for (const text of texts) row.appendChild(typeof text === "string" ? Object.assign(document.createElement("span"), { textContent: text }) : text);
  row.setAttribute("aria-current", current);
  row.onclick = click;
  return row;
}

function show() {
  element("apps").replaceChildren();
  for (const [instance, app] of apps) {
    const choose = () => ((chosen = instance), (shown = undefined), show());
    item(element("apps"), [app.name], instance === chosen, choose).classList.toggle("gone", app.gone);
  }
  const app = apps.get(chosen);
  element("actions").replaceChildren();
  app?.steps.forEach((step, index) => {
    const button = Object.assign(document.createElement("button"), { textContent: "jump", onclick: (event) => (event.stopPropagation(), jump(app, index)) });
    item(element("actions"), [step.type, button], step === shown, () => ((shown = step), show()));
  });
  element("state").textContent = JSON.stringify((shown ?? app?.steps.at(-1))?.state, null, 2) ?? "";
}
