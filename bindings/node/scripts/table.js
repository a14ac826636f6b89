// Writes td_table.h from tidings.h: one X(name) for each function the header declares, so that no list is kept by hand.
"use strict";

/** The names of the functions that the text of a C header declares, in its order. */
function functionsOf(header) {
  const code = header
    .replace(/\/\*[\s\S]*?\*\//g, " ")
    .replace(/\/\/[^\n]*/g, " ")
    .replace(/\\\n/g, " ")
    .replace(/^[ \t]*#.*$/gm, " ")
    .replace(/extern\s+"C"\s*\{/g, " ");
  const names = [];
  let depth = 0;
  let statement = "";
  for (const c of code) {
    if (c === "{") depth++;
    else if (c === "}") depth--;
    else if (depth === 0 && c === ";") {
      const declared = /^\s*(?!typedef\b)[\w\s*]*?\b(td_[a-z0-9_]+)\s*\(/.exec(statement);
      if (declared) names.push(declared[1]);
      statement = "";
    } else if (depth <= 0) statement += c;
    if (depth < 0) depth = 0; // the brace that closes extern "C"
  }
  return [...new Set(names)];
}

function tableOf(header) {
  const names = functionsOf(header);
  if (!names.includes("td_abi_version")) throw new Error("tidings.h declares no td_abi_version: not the header of tidings");
  return `/* Written by scripts/table.js from tidings.h. */\n#define TD_TABLE(X) \\\n${names.map((name) => `  X(${name})`).join(" \\\n")}\n`;
}

module.exports = { functionsOf, tableOf };
