// The package `tidings`: Erlang's mailboxes, monitors, names, timers and topics in Node. See README.md and index.d.ts.
"use strict";
const { Engine, defaultEngine } = require("./lib/engine.js");
const { Mailbox } = require("./lib/mailbox.js");
const { Message } = require("./lib/message.js");
const { Address, Call, Monitor, Subscription, Timer, Watch } = require("./lib/address.js");
const { Server } = require("./lib/server.js");
const { TidingsError, ReplyError } = require("./lib/errors.js");
const { explain, recorder } = require("./lib/looking.js");
const { Reason } = require("./lib/names.js");
const { native } = require("./lib/native.js");

// Written out one by one, so that ESM's `import { Engine }` sees them without a second file to keep.
exports.Engine = Engine;
exports.defaultEngine = defaultEngine;
exports.Mailbox = Mailbox;
exports.Message = Message;
exports.Server = Server;
exports.Address = Address;
exports.Call = Call;
exports.Monitor = Monitor;
exports.Subscription = Subscription;
exports.Timer = Timer;
exports.Watch = Watch;
exports.TidingsError = TidingsError;
exports.ReplyError = ReplyError;
exports.Reason = Reason;
exports.alloc = (size) => native.alloc(size);
exports.inspect = () => defaultEngine().inspect();
exports.recorder = recorder;
exports.explain = explain;
exports.version = native.version;
exports.library = Object.freeze({ origin: native.libraryOrigin, path: native.libraryPath });
