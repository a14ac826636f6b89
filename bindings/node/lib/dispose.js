// The symbols of `using` and `await using`; a Node that has none of its own knows them by these names once compilers have run.
"use strict";

exports.dispose = Symbol.dispose ?? Symbol.for("Symbol.dispose");
exports.asyncDispose = Symbol.asyncDispose ?? Symbol.for("Symbol.asyncDispose");
