// Which workers a message or request is for: "0,2-4,!$4711,self".
// Indices select among the workers in service. PIDs, ids and `self` select among these and those that stand by, and `!` turns a selection round within
// what it selects among. Parts that mean nothing select nothing.

const LONGEST = 64 * 1024; // characters
const PART = /^(!?)(?:(?<from>\d*)-(?<to>\d*)|(?<index>\d+)|\$(?<pid>\d+)|(?<id>[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})|(?<self>self))$/i;

/** What a part says of a process, or undefined when it means nothing. */
function meaning({ from, to, index, pid, id, self: own }, self) {
  if (index !== undefined) return (process) => process.index === Number(index);
  if (from !== undefined) return (process) => process.index >= Number(from) && (to === "" || process.index <= Number(to));
  if (pid !== undefined) return (process) => process.pid === Number(pid);
  const wanted = own === undefined ? id.toLowerCase() : self?.toLowerCase();
  return wanted === undefined ? undefined : (process) => process.id.toLowerCase() === wanted;
}

/**
 * The processes that `specifier` selects, each once, in the order of their indices and then those that stand by; all of `current` where there is no
 * specifier. Processes are `{ id, pid, index }`; `self` is the id of the sender, if that is one of them. Throws when the specifier is not a text, or too long.
 */
export function select(specifier, { current, standby = [], self }) {
  const serving = [...current].sort((one, other) => one.index - other.index);
  if (specifier === undefined || specifier === null) return serving;
  if (typeof specifier !== "string") throw new TypeError("A worker specifier must be a string");
  if (specifier.length > LONGEST) throw new RangeError("The worker specifier is too long");
  const everyone = [...serving, ...standby];
  const selected = new Set();
  for (const part of new Set(specifier.split(","))) {
    const match = PART.exec(part.trim());
    const says = match === null ? undefined : meaning(match.groups, self);
    if (says === undefined) continue;
    const { from, index } = match.groups;
    const among = from === undefined && index === undefined ? everyone : serving;
    for (const process of among) if (says(process) !== (match[1] === "!")) selected.add(process);
  }
  return everyone.filter((process) => selected.has(process));
}
