// The two steps that are a million small steps: waking against a plain model (C9), and random ids into everything that takes one (C10).
// Guarantees: the seed alone decides what is done; the numbers that come out are counts of what was wrong, so 0 is the only good one.
import { Call, Engine, Monitor, Subscription, Timer, TidingsError, Watch } from "./tidings.mjs";
import { result } from "./world.mjs";
import { turn } from "./flow.mjs";

function* dice(seed) {
  let state = BigInt(seed);
  for (;;) {
    state ^= BigInt.asUintN(64, state << 13n);
    state ^= state >> 7n;
    state ^= BigInt.asUintN(64, state << 17n);
    yield state;
  }
}

/** Takes up to n messages by the way the dice chose; how many came. */
async function take(m, way, n, pending) {
  let taken = 0;
  if (way === 0) {
    while (taken < n && m.tryRecv()) taken++; // the oldest, n times
  } else if (way === 1) {
    if (m.tryRecv({ tag: 1, tagMask: 1 })) taken++; // one from the middle
  } else if (way === 2) {
    const reader = m[Symbol.asyncIterator](); // part of a batch, the rest goes back
    while (taken < n && taken < pending) {
      await reader.next();
      taken++;
    }
    await reader.return();
  } else if (m.tryRecv({ predicate: () => n > 1 })) {
    taken++; // a look, then perhaps a take
  }
  return taken;
}

const SILENT = Symbol("silent");
const within = (promise, ms) => {
  let timer;
  const late = new Promise((done) => (timer = setTimeout(done, ms, SILENT)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
};

/** fuzz-fd M N seed=S. In this package the fd is the event loop's: what can be seen of it is who is woken. missed: a waiting receive was
 *  not woken though something came. extra: one was woken with nothing there. miscounted: the engine's count differs from the model's. */
export async function fuzzFd(c, step) {
  const m = c.mailbox(step.args[0]);
  const throws = dice(c.opt(step, "seed", 1));
  const total = c.number(step.args[1]);
  let [pending, missed, extra, miscounted, round] = [0, 0, 0, 0, 0];
  while (round < total && missed + extra + miscounted === 0) {
    round++;
    const x = Number(throws.next().value & 0xffffffffn);
    const n = 1 + ((x >>> 8) % 4);
    const sendSome = () => {
      for (let k = 0; k < n; k++) m.send(undefined, { tag: BigInt.asUintN(63, throws.next().value) });
      pending += n;
    };
    if (pending === 0) {
      let early = true;
      const waits = m.recv();
      waits.then(() => (extra += early));
      if ((x >>> 20) % 4 === 0) await turn();
      early = false;
      sendSome();
      if ((await within(waits, 5000)) === SILENT) missed++;
      else pending--;
    } else if ((x & 7) < 3 && pending < 200) {
      sendSome();
    } else {
      pending -= await take(m, (x >>> 16) % 4, (x & 7) === 7 ? 1000 : n, pending);
    }
    if (round % 1024 === 0 && m.stats().queued !== pending) miscounted++;
  }
  return result("ok", { missed, extra, miscounted, rounds: round });
}

/** Everything of the package that takes an id, as a function of the id. */
function calls(e, live) {
  const made = (Class, id) => Object.assign(Object.create(Class.prototype), { id, engine: e });
  return {
    "address.send": (id) => e.address(id).send("x"),
    "engine.send": (id) => e.send(id, "x", { from: live }),
    "send from": (id) => live.send("x", { from: id }),
    "publish from": (id) => e.publish("nobody.listens", "x", { from: id }),
    exit: (id) => e.address(id).exit(1024, "x"),
    kill: (id) => e.address(id).kill(),
    close: (id) => e.address(id).close(),
    stats: (id) => e.address(id).stats(),
    call: (id) => e.call(id, "x", { timeout: Infinity }),
    "call from": (id) => e.call(live, "x", { from: e.address(id), timeout: Infinity }),
    monitor: (id) => live.monitor(id),
    "monitor with receipt": (id) => live.monitor(id, { receipt: true }),
    link: (id) => live.link(id),
    "linked to": (id) => e.address(id).link(live),
    unlink: (id) => e.address(id).unlink(live),
    trapExit: (id) => e.address(id).trapExit(),
    suspend: (id) => e.address(id).suspend(),
    resume: (id) => e.address(id).resume(),
    notify: (id) => e.address(id).notify(1),
    join: (id) => e.address(id).join("x"),
    leave: (id) => e.address(id).leave("x"),
    enterPresence: (id) => e.address(id).enterPresence("x", "y"),
    leavePresence: (id) => e.address(id).leavePresence("x", "y"),
    setWill: (id) => e.address(id).setWill("x"),
    clearWill: (id) => e.address(id).clearWill(),
    "call.cancel": (id) => Reflect.construct(Call, [e, id]).cancel(),
    "watch.unwatch": (id) => Reflect.construct(Watch, [e, id]).unwatch({ flush: true }),
    register: (id) => e.register("x", id),
    registerReplace: (id) => e.registerReplace("x", id),
    sendAfter: (id) => e.sendAfter(id, 1, "x"),
    sendEvery: (id) => e.sendEvery(id, 1, "x"),
    "Engine.from": (id) => Engine.from(id),
    "monitor.demonitor": (id) => made(Monitor, id).id && Reflect.construct(Monitor, [e, id]).demonitor({ flush: true }),
    "subscription.unsubscribe": (id) => Reflect.construct(Subscription, [e, id]).unsubscribe({ flush: true }),
    "timer.cancel": (id) => Reflect.construct(Timer, [e, id]).cancel(),
    "timer.read": (id) => Reflect.construct(Timer, [e, id]).read(),
  };
}

/** fuzz-ids N seed=S. accepted: calls that did not answer with an error; the first one is named. */
export async function fuzzIds(c, step) {
  const throws = dice(c.opt(step, "seed", 1));
  const next = () => throws.next().value;
  const objects = [...c.world.slots.values()].filter((slot) => slot.id !== 0n);
  const live = new Set(objects.map((slot) => slot.id));
  const ids = [...live];
  const box = objects.find((slot) => slot.kind === "mailbox" && slot.value.stats().open).value;
  const all = Object.entries(calls(c.world.engine, box));
  let [accepted, first] = [0, ""];
  const total = c.number(step.args[0]);
  for (let i = 0; i < total; i++) {
    const x = next();
    const shape = next();
    const bits = (shape >> 8n) & 63n;
    const id = BigInt.asUintN(64, [x, x >> bits, x << bits, ids[Number(shape % BigInt(ids.length))] ^ x][Number(shape & 3n)]);
    if (id === 0n || live.has(id)) continue;
    const [name, attempt] = all[i % all.length];
    try {
      await attempt(id);
    } catch (error) {
      if (error instanceof TidingsError && error.code !== "TD_EPANIC") continue;
      if (!(error instanceof TidingsError)) throw error;
    }
    accepted++;
    first ||= `${name} ${id.toString(16)}`;
  }
  return result("ok", first ? { accepted, first } : { accepted });
}
