// Compiled, never run, by types.test.mjs: the same package by require.
import tidings = require("tidings");

const engine: tidings.Engine = new tidings.Engine();
const mailbox: tidings.Mailbox = engine.mailbox();
mailbox.send("x");
const message: tidings.Message | undefined = mailbox.tryRecv();
void message;
