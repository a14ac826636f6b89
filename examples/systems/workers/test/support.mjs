// What the checks share: what those of the other systems share, and programs of this folder.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { programsIn } from "../../testing.mjs";

export * from "../../testing.mjs";
export const here = path.dirname(fileURLToPath(import.meta.url));
export const { run, node } = programsIn(here);
