// Reports: histories that apps have posted, for monitors to look at later. The newest are kept, in memory.
import { randomUUID } from "node:crypto";

const KEPT = 1_000;

export class Reports {
  #byId = new Map();

  /** What is stored of it; throws when it is none. */
  add(report) {
    if (!report?.type || !report.payload) throw new Error("Required parameters aren't specified.");
    const stored = { ...report, id: randomUUID(), added: Date.now() };
    delete stored.op;
    this.#byId.set(stored.id, stored);
    if (this.#byId.size > KEPT) this.#byId.delete(this.#byId.keys().next().value);
    return stored;
  }
  get(id) {
    return this.#byId.get(id);
  }
  list() {
    return Array.from(this.#byId.values(), ({ id, title, added }) => ({ id, title, added }));
  }
}
