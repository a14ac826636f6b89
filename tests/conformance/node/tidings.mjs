// The package under test: the installed `tidings` where there is one, else the one of this checkout.
let found;
try {
  found = await import("tidings");
} catch (error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
  found = await import("../../../bindings/node/index.mjs");
}
export const { Call, Engine, Subscription, Monitor, Timer, TidingsError, Watch, explain, recorder } = found;
