// remotedev-app's own middleware and reducers without a browser: node monitor.cjs PORT; prints each action of its store as JSON. Lines on
// standard input are actions to dispatch.
const { createInterface } = require("node:readline");
const { applyMiddleware, combineReducers, createStore } = require("redux");
const part = (name) => {
  const loaded = require(`remotedev-app/lib/${name}.js`);
  return loaded.default ?? loaded;
};
const { CONNECT_REQUEST } = require("remotedev-app/lib/constants/socketActionTypes.js");

const SHOWN = ["type", "channel", "message", "request", "code", "id", "baseChannel"];
const print = () => (next) => (action) => {
  console.log(JSON.stringify(action, (key, value) => (key === "" || SHOWN.includes(key) || typeof value !== "object" || key === "data" ? value : undefined)));
  return next(action);
};
const reducer = combineReducers({ socket: part("reducers/socket"), instances: part("reducers/instances"), reports: part("reducers/reports") });
const store = createStore(reducer, applyMiddleware(part("middlewares/api"), print));

store.dispatch({ type: CONNECT_REQUEST, options: { hostname: "127.0.0.1", port: Number(process.argv[2]) } });
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "instances") console.log(JSON.stringify({ type: "instances", list: Object.keys(store.getState().instances.states) }, null, 0));
  else store.dispatch(JSON.parse(line));
});
