// What EventEmitter offers for the ends of things, which is all that is told by events: messages never are.
// Guarantees: an object without listeners carries nothing for them; listeners are called in a turn of their own, not inside what ended the object.
"use strict";
const { EventEmitter } = require("node:events");

const METHODS = Object.keys(EventEmitter.prototype).filter((name) => typeof EventEmitter.prototype[name] === "function");
const emitters = new WeakMap(); // not on the object: that would not survive postMessage

function emitterOf(object) {
  let emitter = emitters.get(object);
  if (emitter === undefined) emitters.set(object, (emitter = new EventEmitter()));
  return emitter;
}

/** Gives the class the methods. */
function lifecycle(Class) {
  for (const name of METHODS) {
    const value = function (...args) {
      const emitter = emitterOf(this);
      const answer = emitter[name](...args);
      return answer === emitter ? this : answer;
    };
    Object.defineProperty(Class.prototype, name, { value, configurable: true, writable: true });
  }
}

/** `make` gives what listeners are told; nobody asks where there are none. */
function announce(object, event, make = () => []) {
  const emitter = emitters.get(object);
  if (emitter === undefined || emitter.listenerCount(event) === 0) return;
  const args = make();
  process.nextTick(() => emitter.emit(event, ...args));
}

module.exports = { announce, lifecycle };
