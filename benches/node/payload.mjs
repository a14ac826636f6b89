// What every Node program of P19 sends: a Uint8Array of 64 fresh bytes per message, the first of which counts. Receivers look at the first and
// the last byte of each.
const TEMPLATE = new Uint8Array(64).fill(7);
const PATIENCE = 60_000; // ms: a wait that takes this long is a hang

export const WARM_UP = 51_200; // a multiple of 256

export function fresh(i) {
  const bytes = TEMPLATE.slice();
  bytes[0] = i;
  return bytes;
}

/** `handle`, which checks a payload, and `all`, a promise that is settled when so many have come. */
export function reader(count) {
  let i = 0;
  let finish;
  const all = new Promise((resolve, reject) => {
    const hang = setTimeout(() => reject(new Error(`${i} messages of ${count}, and no more came`)), PATIENCE);
    finish = () => {
      clearTimeout(hang);
      resolve();
    };
  });
  const handle = (data) => {
    if (data[0] !== (i & 255) || data[63] !== 7) throw new Error(`message ${i} is ${data}`);
    if (++i === count) finish();
  };
  return { handle, all };
}

/** Runs `receive(count)` twice, warm the second time, and prints what that took. */
export async function measure(count, receive) {
  await receive(WARM_UP);
  const begun = process.hrtime.bigint();
  await receive(count);
  console.log(`ns_per_message ${(Number(process.hrtime.bigint() - begun) / count).toFixed(3)}`);
}
