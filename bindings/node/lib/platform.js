// The packages with binaries: one for each kind of machine, of which npm installs the one that fits.
"use strict";

const name = (platform, arch, libc) => `tidings-${platform}${libc === "musl" ? "musl" : ""}-${arch}`;

/** What may be installed for this machine; npm looks at the C library, and so this does not. */
function candidates({ platform, arch } = process) {
  return platform === "linux" ? [name(platform, arch, "glibc"), name(platform, arch, "musl")] : [];
}

/** The C library of this Node. Asking takes a while. */
function libcOf() {
  return process.report?.getReport?.().header.glibcVersionRuntime === undefined ? "musl" : "glibc";
}

/** This machine's, as a package. */
function own() {
  const libc = libcOf();
  return { name: name(process.platform, process.arch, libc), libc };
}

/** What to say where there is none. */
function missing(version) {
  if (process.platform !== "linux") return `tidings works on Linux only, not on ${process.platform} yet`;
  const wanted = own().name;
  return (
    `tidings has no binary for this machine: install the package ${wanted} (npm install ${wanted}@${version}). It comes with tidings unless npm is told to leave ` +
    `optional dependencies out. In a checkout of tidings, "npm install" in bindings/node builds it, where npm may run install scripts`
  );
}

module.exports = { candidates, missing, own };
