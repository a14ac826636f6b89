// Which turns of the event loop this package asks for.
// Guarantees: what this thread has sent to mailboxes of its own is still handled before the process ends; nothing else here keeps the process alive,
// neither timers nor what other threads send, however much that is: after the last send outside handlers at most TURNS turns are asked for,
// which is enough to empty a mailbox that is as full as it gets.
"use strict";

const TURNS = 64;
let left = 0;
let asked = false;
let again = false; // something was handled since the turn was asked for
let inside = false; // from a handler or a reader being called to the end of that turn: promises that they settle included

const waits = { held: 0 }; // those under way that keep the process alive

const listeners = new Set(); // called in the turn after this thread has sent something
let told = true;

function turn() {
  asked = false;
  if (again) ask();
}

function ask() {
  if (asked || left === 0) return;
  asked = true;
  again = false;
  left--;
  // Two, so that the event loop polls in between: the first may run in the turn that is under way, after its poll.
  setImmediate(() => setImmediate(turn));
}

function tell() {
  told = true;
  for (const listener of [...listeners]) listener();
}

/** This thread has sent something. */
function stir() {
  if (!inside) left = TURNS;
  ask();
  if (!told || listeners.size === 0) return;
  told = false;
  setImmediate(tell).unref();
}

/** The addon calls a handler or a reader: there may be more where that came from. */
function enter() {
  again = true;
  if (inside) return;
  inside = true;
  setImmediate(leave).unref();
}
function leave() {
  inside = false;
}

/** Called before everything that ends mailboxes. Batches under way say how far they are, so that what was handed out counts as delivered; and
 *  one that is being handed out asks afterwards whether its own mailbox is over. */
const withdrawals = {
  count: 0,
  underWay: new Set(), // each with pass()
  raise() {
    this.count++;
    for (const batch of this.underWay) batch.pass();
  },
};

module.exports = { enter, listeners, stir, waits, withdrawals };
