// Packs what `npm install` has built here into tarballs that install anywhere without a compiler: node scripts/dist.js FOLDER
//   tidings-VERSION.tgz             the JavaScript and the declarations, without install script
//   tidings-linux-x64-VERSION.tgz   the addon and the library for this kind of machine
// Guarantees: the first asks, as optional dependencies, for each package of the second sort of its own version that lies in FOLDER; so those of
// other machines are put there before.
"use strict";
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { own } = require("../lib/platform.js");
const description = require("../package.json");

const here = path.join(__dirname, "..");
const root = path.join(here, "..", "..");
const BINARIES = ["tidings.node", "libtidings.so.0"];
const LICENSES = ["LICENSE-APACHE", "LICENSE-MIT"];
const { NPM = "npm", STRIP = "strip" } = process.env;

/** What both sorts say of themselves. */
function common() {
  const { version, license, os, engines } = description;
  return { version, license, os, engines };
}

/** The newest glibc of which the files want a symbol. */
function glibcOf(files) {
  const minors = files.flatMap((file) => [...fs.readFileSync(file, "latin1").matchAll(/GLIBC_2\.(\d+)/g)].map(([, minor]) => Number(minor)));
  return `2.${Math.max(...minors)}`;
}

function pack(folder, content, to) {
  const described = { ...content, files: [...content.files, ...LICENSES] };
  fs.writeFileSync(path.join(folder, "package.json"), `${JSON.stringify(described, undefined, 2)}\n`);
  for (const name of LICENSES) fs.copyFileSync(path.join(root, name), path.join(folder, name));
  execFileSync(NPM, ["pack", "--silent", "--ignore-scripts", "--pack-destination", to], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  console.log(path.join(path.relative(process.cwd(), to), `${content.name}-${content.version}.tgz`));
}

function packBinaries(folder, to) {
  const { name, libc } = own();
  for (const file of BINARIES) {
    fs.copyFileSync(path.join(here, "build", file), path.join(folder, file));
    execFileSync(STRIP, ["--strip-debug", path.join(folder, file)]);
  }
  const files = BINARIES.map((file) => path.join(folder, file));
  const machine = `${process.platform}-${process.arch}, ${libc === "glibc" ? `glibc ${glibcOf(files)} and later` : libc}`;
  fs.writeFileSync(path.join(folder, "README.md"), `# ${name}\n\nThe binaries of the package \`tidings\` for ${machine}.\n`);
  const content = { name, ...common(), description: `The binaries of tidings for ${machine}`, cpu: [process.arch], libc: [libc], main: BINARIES[0], files: BINARIES, preferUnplugged: true };
  pack(folder, content, to);
}

/** The platform packages of this version that lie in the folder. */
function binariesIn(to) {
  const end = `-${description.version}.tgz`;
  const names = fs.readdirSync(to).filter((file) => /^tidings-linux(musl)?-\w+-\d/.test(file) && file.endsWith(end));
  return Object.fromEntries(names.sort().map((file) => [file.slice(0, -end.length), description.version]));
}

function packPackage(folder, to) {
  const files = description.files.filter((name) => name !== "src" && name !== "scripts");
  for (const name of [...files, "README.md"]) fs.cpSync(path.join(here, name), path.join(folder, name), { recursive: true });
  const { name, description: text, main, types, exports: entries } = description;
  pack(folder, { name, ...common(), description: text, main, types, exports: entries, files, optionalDependencies: binariesIn(to) }, to);
}

function main(to) {
  fs.mkdirSync(to, { recursive: true });
  const work = fs.mkdtempSync(path.join(os.tmpdir(), "tidings-dist-"));
  try {
    for (const [part, make] of [["binaries", packBinaries], ["package", packPackage]]) {
      fs.mkdirSync(path.join(work, part));
      make(path.join(work, part), to);
    }
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

main(path.resolve(process.argv[2] ?? "dist"));
