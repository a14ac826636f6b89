// The library's texts on what happened lately and how something stands, as objects.
"use strict";
const { idOf } = require("./address.js");
const { native } = require("./native.js");

// A line of the flight recorder, as tidings.h has it under td_recorder_dump.
const EVENT =
  /^ *-(?<age>[\d.]+)(?<about>[~ ]) thread (?:(?<thread>\d+) (?<name>.*?)|\?): (?<event>[A-Za-z][A-Za-z ]*?)(?: (?<id>0x[0-9a-f]{16}))?(?: with (?<other>0x[0-9a-f]{16}))?(?:, (?<amount>(?!x\d+$).+?))?(?:, x(?<times>\d+))?$/;

/** The lines that are events. */
function events(lines) {
  return lines.flatMap((line) => {
    const found = EVENT.exec(line)?.groups;
    if (found === undefined) return [];
    const { age, about, thread, name, event, id, other, amount, times } = found;
    const number = (text) => (text === undefined ? undefined : BigInt(text));
    return [{
      age: Number(age), about: about === "~", thread: thread === undefined ? undefined : Number(thread), name, event,
      id: number(id), other: number(other), amount, times: Number(times ?? 1),
    }];
  });
}

/** Lines "  key: value", each with the lines "    more" below it: an array where the value is their number. */
function details(lines) {
  const found = {};
  let key;
  for (const line of lines.slice(1)) {
    if (!line.startsWith("  ")) break;
    const text = line.trim();
    if (!line.startsWith("    ")) {
      const colon = text.indexOf(": ");
      key = colon < 0 ? text : text.slice(0, colon);
      const value = colon < 0 ? "" : text.slice(colon + 2);
      found[key] = /^\d+$/.test(value) ? [] : value;
    } else if (Array.isArray(found[key])) found[key].push(text);
    else if (key !== undefined) found[key] += "; " + text;
  }
  return found;
}

function recorder() {
  const text = native.recorder();
  return { text, events: events(text.split("\n")) };
}

function explain(subject) {
  const id = idOf(subject, "what to explain");
  const text = native.explain(id);
  const lines = text.split("\n");
  return { text, id, what: lines[0], details: details(lines), lately: events(lines) };
}

module.exports = { explain, recorder };
