// The parser of worker specifiers.
import assert from "node:assert/strict";
import { test } from "node:test";
import { select } from "../specifiers.mjs";

const ids = ["e0501b34-4c93-492b-8734-61725f94f26b", "0d46c543-7391-43f0-a5f8-1e57035d99ab", "89711ae6-ae07-4f99-91ee-6e048dde2452", "bc68d4a6-1c16-4df8-952a-6c5e1f91b330"];
const [W0, W1, W2] = ids.slice(0, 3).map((id, index) => ({ id, pid: [25256, 25257, 25260][index], index }));
const S = { id: ids[3], pid: 25261, index: undefined };
const workers = { current: [W0, W1, W2], standby: [S] };

const TABLE = [
  // as recorded from nodesockd 2.0.0-rc.8, with three workers and one that stands by
  [undefined, [W0, W1, W2]],
  ["0", [W0]],
  ["0,2", [W0, W2]],
  [" 0 , 2 ", [W0, W2]],
  ["1-2", [W1, W2]],
  ["-1", [W0, W1]],
  ["1-", [W1, W2]],
  ["-", [W0, W1, W2]],
  ["2-4", [W2]],
  ["$25257", [W1]],
  ["$25261", [S]],
  [ids[2], [W2]],
  [ids[3], [S]],
  ["self", []],
  ["!self", []],
  ["!0", [W1, W2]],
  ["!1-2", [W0]],
  ["!$25257", [W0, W2, S]],
  [`!${ids[2]}`, [W0, W1, S]],
  ["!0,!1", [W0, W1, W2]],
  ["0,0,0-1", [W0, W1]],
  ["7", []],
  ["zzz", []],
  ["", []],
  ["2-1", []],
  // other than there: ids in any case; nothing in place of an error
  [ids[2].toUpperCase(), [W2]],
  [`!${ids[3].toUpperCase()}`, [W0, W1, W2]],
  ["5-1", []],
  // beyond the recording
  [null, [W0, W1, W2]],
  ["2,0,$25261,1", [W0, W1, W2, S]],
  ["!7", [W0, W1, W2]],
  ["!$1", [W0, W1, W2, S]],
  ["!zzz,1", [W1]],
  ["1,,zzz,!!0,! 0,1.5,+1,0x1,--1,1-2-3,$,$-1,-0-1,self0", [W1]],
  ["1-99999999999999999999999", [W1, W2]],
  ["0-4294967296", [W0, W1, W2]],
];

test("E8: the table of worker specifiers", () => {
  for (const [specifier, selected] of TABLE) assert.deepEqual(select(specifier, workers), selected, JSON.stringify(specifier));
});

test("E9: self and !self of a worker in service, and of one that stands by", () => {
  assert.deepEqual(select("self", { ...workers, self: W1.id }), [W1]);
  assert.deepEqual(select("SELF", { ...workers, self: W1.id }), [W1]);
  assert.deepEqual(select("!self", { ...workers, self: W1.id }), [W0, W2, S]);
  assert.deepEqual(select("self,0", { ...workers, self: S.id }), [W0, S]);
  assert.deepEqual(select("!self", { ...workers, self: S.id }), [W0, W1, W2]);
});

test("E8: order is by index, whatever the order of the processes; indices may have gaps", () => {
  const gaps = { current: [{ id: ids[0], pid: 3, index: 5 }, { id: ids[1], pid: 2, index: 1 }], standby: [] };
  const indices = (specifier) => select(specifier, gaps).map(({ index }) => index);
  assert.deepEqual(indices("5,1"), [1, 5]);
  assert.deepEqual(indices("2-"), [5]);
  assert.deepEqual(indices("!0"), [1, 5]);
  assert.deepEqual(gaps.current.map(({ index }) => index), [5, 1]);
  assert.deepEqual(select(undefined, { current: [] }), []);
});

test("E8: what is no text, or too much of it, is refused", () => {
  for (const specifier of [0, 1, true, {}, ["0"]]) assert.throws(() => select(specifier, workers), TypeError);
  assert.throws(() => select("0,".repeat(100_000), workers), RangeError);
});

/** What it should select, part by part, by sets of names. */
function model(specifier, self) {
  const selected = new Set();
  const byKey = new Map([["0", "0"], ["1", "1"], ["2", "2"], ...[W0, W1, W2, S].flatMap(({ id, pid }, n) => [[`$${pid}`, "012S"[n]], [id, "012S"[n]]])]);
  if (self !== undefined) byKey.set("self", byKey.get(self));
  for (const raw of specifier.split(",")) {
    let part = raw.trim().toLowerCase();
    const not = part.startsWith("!");
    if (not) part = part.slice(1);
    const everyone = part.startsWith("$") || part.length > 10 || part === "self" ? "012S" : "012";
    const range = /^(\d*)-(\d*)$/.exec(part);
    let chosen = "";
    if (range !== null) for (let n = Number(range[1]); n <= Math.min(2, range[2] === "" ? 2 : Number(range[2])); n++) chosen += n;
    else if (byKey.has(part)) chosen = byKey.get(part);
    else if (!/^\$?\d+$/.test(part)) continue;
    for (const one of not ? [...everyone].filter((name) => !chosen.includes(name)) : chosen) selected.add(one);
  }
  return [...selected].sort().map((name) => [W0, W1, W2, S]["012S".indexOf(name)]);
}

test("E8: 20,000 random specifiers, against a model; text of any kind is never an error", (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
  t.diagnostic(`SEED=${seed}`);
  let state = seed;
  const random = (below) => (state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff) % below;
  const pick = (list) => list[random(list.length)];
  const atoms = ["0", "1", "2", "3", "07", "-", "1-", "-1", "0-1", "2-1", "1-9", "$25257", "$25261", "$9", ids[0], ids[3], ids[1].toUpperCase(), "self", "Self", "x", "", "1x", "$x"];
  for (let n = 0; n < 20_000; n++) {
    const self = pick([undefined, ids[1], ids[3]]);
    const specifier = Array.from({ length: 1 + random(5) }, () => `${pick(["", "", "!"])}${pick(atoms)}`).join(pick([",", ", ", " ,"]));
    assert.deepEqual(select(specifier, { ...workers, self }), model(specifier, self), JSON.stringify([specifier, self]));
    const noise = Array.from({ length: random(12) }, () => pick("0123456789-$!, selfabc\u0000\u{1f600}é\n")).join("");
    for (const one of select(noise, { ...workers, self })) assert.ok([W0, W1, W2, S].includes(one));
  }
});
