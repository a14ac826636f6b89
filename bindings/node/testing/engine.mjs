// An engine for one test.
import { Engine } from "tidings";

/** Keeps the process alive until the test is over, and is closed then. */
export function engineOf(t, options) {
  const engine = new Engine(options).ref();
  t.after(() => engine.close());
  return engine;
}
