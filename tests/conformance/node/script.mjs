// Reads the scenario file into steps.
// Guarantees: every line is either understood or refused with its number and the reason; nothing here knows what a verb does. The
// language is described in ../README.md.
import { readFileSync } from "node:fs";

export class Refused extends Error {}

export function refuse(line, why, text) {
  throw new Refused(`scenarios.txt:${line}: ${why}: ${text}`);
}

/** The words up to a comment, quotes removed; quotes may stand after = or ~ too. */
function words(text, line) {
  const out = [];
  let at = 0;
  while (at < text.length) {
    if (text[at] === " ") {
      at++;
      continue;
    }
    if (text[at] === "#") break;
    let word = "";
    let quoted = false;
    for (; at < text.length && (quoted || text[at] !== " "); at++) {
      if (text[at] === '"') quoted = !quoted;
      else word += text[at];
    }
    if (quoted) refuse(line, "a quote is not closed", text);
    out.push(word);
  }
  return out;
}

const PAIR = /^([a-z_-]+)([=~])(.*)$/s;

function stepOf(text, line, indent) {
  const [verb, ...rest] = words(text, line);
  const step = { line, indent, source: text, verb, args: [], opts: {}, name: undefined, wants: [], child: [], run: undefined };
  let want;
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i];
    const pair = PAIR.exec(word);
    if (word === "=>" || (want && word === "or")) step.wants.push((want = { outcome: undefined, fields: [] }));
    else if (word === "as") step.name = rest[++i] ?? refuse(line, "a name must follow 'as'", text);
    else if (want && pair) want.fields.push({ key: pair[1], value: pair[3], contains: pair[2] === "~" });
    else if (want && want.outcome !== undefined) refuse(line, "an outcome is one word, then fields", text);
    else if (want) want.outcome = word;
    else if (pair) step.opts[pair[1]] = pair[3];
    else step.args.push(word);
  }
  return step;
}

/** scenario ID | title | rules 1 2 | clock virtual [only: why] [| not python: why] [| not node: why] [| child] */
function header(text, line) {
  const [first, title, ...rest] = text.split(" | ");
  const scenario = { line, id: first.slice("scenario ".length), title, rules: "", virtualClock: false, oneClock: false, byReal: false, childOnly: false, notNode: undefined, steps: [] };
  for (const part of rest) {
    if (part.startsWith("rules ")) scenario.rules = part.slice(6);
    else if (/^clock (real|virtual)( only: .+)?$/.test(part)) {
      scenario.virtualClock = part.startsWith("clock virtual");
      scenario.oneClock = part !== "clock virtual";
    }
    else if (part === "child") scenario.childOnly = true;
    else if (part.startsWith("not node: ")) scenario.notNode = part.slice(10);
    else if (!part.startsWith("not python: "))
      refuse(line, "not 'rules ...', 'clock real', 'clock virtual', 'clock CLOCK only: ...', 'not LANGUAGE: ...' or 'child'", part);
  }
  if (!title || !scenario.rules) refuse(line, "a scenario has a title and its rules", text);
  return scenario;
}

/** What is written for the virtual clock runs on both: ID becomes ID.virtual and ID.real, with the same steps. */
function doubled(scenario) {
  const { id, oneClock, childOnly } = scenario;
  if (oneClock || childOnly) return [scenario];
  return [
    { ...scenario, id: `${id}.virtual` },
    { ...scenario, id: `${id}.real`, virtualClock: false, byReal: true },
  ];
}

/** Steps nest by indentation: deeper lines belong to the nearest shallower one above. */
export function read(path) {
  const scenarios = [];
  let blocks = [];
  readFileSync(path, "utf8").split("\n").forEach((raw, index) => {
    const line = index + 1;
    const text = raw.trim();
    const indent = raw.length - raw.trimStart().length;
    if (text === "" || text.startsWith("#")) return;
    if (raw.includes("\t")) refuse(line, "indent with spaces, not tabs", text);
    if (indent === 0) {
      if (!text.startsWith("scenario ")) refuse(line, "a step must be indented", text);
      scenarios.push(header(text, line));
      blocks = [];
      return;
    }
    if (scenarios.length === 0) refuse(line, "a step before the first scenario", text);
    while (blocks.length && blocks.at(-1).indent > indent) blocks.pop();
    if (!blocks.length || blocks.at(-1).indent < indent) {
      const steps = blocks.length ? blocks.at(-1).steps.at(-1).child : scenarios.at(-1).steps;
      if (steps.length) refuse(line, "indented like no step above", text);
      blocks.push({ indent, steps });
    }
    blocks.at(-1).steps.push(stepOf(text, line, indent));
  });
  return scenarios.flatMap(doubled);
}

const UNITS = { "": 1, ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

/** 12, 50ms, 3us, 2s, 7ns; forever. Times are nanoseconds. undefined when it is none of these. */
export function number(text) {
  if (text === "forever") return Infinity;
  const m = /^(-?\d+)(ns|us|ms|s)?$/.exec(text);
  return m ? Number(m[1]) * UNITS[m[2] ?? ""] : undefined;
}

/** a..b, a.. or ..b; undefined when it is none of these. */
export function span(text) {
  const m = /^(.*?)\.\.(.*)$/.exec(text);
  if (!m || (m[1] === "" && m[2] === "")) return undefined;
  const low = m[1] === "" ? -Infinity : number(m[1]);
  const high = m[2] === "" ? Infinity : number(m[2]);
  return low === undefined || high === undefined ? undefined : [low, high];
}
