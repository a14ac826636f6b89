// remote-redux-devtools with a counter: node app.cjs PORT [ACTIONS [MS]]; prints each state.
process.env.NODE_ENV = "development";
const { createStore } = require("redux");
const devTools = require("remote-redux-devtools").default;

const [port, actions = 14, ms = 100] = process.argv.slice(2).map(Number);
const counter = (state = { count: 0 }, action) => (action.type === "INC" ? { count: state.count + 1 } : action.type === "DEC" ? { count: state.count - 1 } : state);
const store = createStore(counter, devTools({ realtime: true, hostname: "127.0.0.1", port, name: "counter" }));
store.subscribe(() => console.log(`state ${store.getState().count}`));

let dispatched = 0;
function count() {
  if (dispatched < actions) store.dispatch({ type: "INC", n: ++dispatched });
  else console.log("all dispatched"), clearInterval(timer);
}
const timer = setInterval(count, ms);
process.stdin.on("data", (text) => {
  if (String(text).startsWith("quit")) process.exit(0);
  store.dispatch({ type: "INC", n: ++dispatched });
});
