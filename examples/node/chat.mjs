// A chat room in one process: join, post, leave, from the first to come to the last to go.
//
// The room is a mailbox with a handler. It keeps its members newest first, tells them in that order who has joined or left, monitors each,
// and lets nobody post who has not joined. The people call it from their own mailboxes, so it knows who is asking; what it tells them meanwhile
// waits in their mailboxes until they look.
import { Engine, ReplyError } from "tidings";
/** @import { Address, Mailbox, Message, Monitor } from "tidings" */

const JOIN = 1;
const POST = 2;
const LEAVE = 3;

// ---------------------------------------------------------------- the room

/** @typedef {{ name: string, address: Address, monitor?: Monitor }} Member */

class Room {
  #mailbox;
  /** @type {Member[]} */
  #members = []; // newest first

  /** @param {Engine} engine */
  constructor(engine) {
    this.#mailbox = engine.mailbox({ name: "room", handler: (message) => this.#handle(message) });
  }

  /** @param {Message} request */
  #handle(request) {
    if (request.kind !== "request") return;
    const who = request.from;
    const member = this.#members.find(({ address }) => address.id === who?.id);
    if (who === undefined) request.replyError(1, "say who you are");
    else if (request.tag === JOIN && member === undefined) this.#join(request.text(), who, request);
    else if (member === undefined) request.replyError(1, "you are not in the room");
    else if (request.tag === POST) this.#post(member, request);
    else if (request.tag === LEAVE) this.#leave(member, request);
    else request.replyError(2, "join once, post, or leave");
  }

  /** @param {string} name @param {Address} address @param {Message} request */
  #join(name, address, request) {
    this.#tell(`${name} has joined the room`);
    /** @type {Member} */
    const member = { name, address };
    member.monitor = this.#mailbox.monitor(address, { died: () => this.#remove(member), alreadyDown: () => this.#remove(member) });
    this.#members.unshift(member);
    request.reply();
  }

  /** @param {Member} member @param {Message} request */
  #post(member, request) {
    this.#tell(`${member.name}: ${request.text()}`, member);
    request.reply();
  }

  /** @param {Member} member @param {Message} request */
  #leave(member, request) {
    member.monitor?.demonitor({ flush: true });
    this.#remove(member);
    request.reply();
  }

  /** @param {Member} member */
  #remove(member) {
    this.#members = this.#members.filter((other) => other !== member);
    this.#tell(`${member.name} has left the room`);
    if (this.#members.length === 0) console.log("the room is empty");
  }

  /** @param {string} text @param {Member} [besides] */
  #tell(text, besides) {
    for (const member of this.#members) {
      if (member === besides) continue;
      try {
        member.address.send(text, { from: this.#mailbox });
      } catch {
        // full, or just gone: its own trouble, or its DOWN is on the way
      }
    }
  }
}

// ---------------------------------------------------------------- the people

const engine = new Engine();
new Room(engine);

/** @typedef {{ name: string, mailbox: Mailbox }} Person */

/** @param {string} name @returns {Person} */
const person = (name) => ({ name, mailbox: engine.mailbox() });
const alice = person("alice");
const bob = person("bob");
const carol = person("carol");
const mallory = person("mallory");
const newestFirst = [carol, bob, alice];

/** @param {Person} who @param {string} text */
const print = (who, text) => console.log(`[${who.name}] ${text}`);

function everybodyLooks() {
  for (const who of newestFirst) {
    if (!who.mailbox.stats().open) continue;
    for (let message; (message = who.mailbox.tryRecv()) !== undefined; ) print(who, message.text());
  }
}

/** @param {Person} who @param {number} tag @param {string} [text] */
async function ask(who, tag, text) {
  try {
    await engine.call("room", text, { tag, from: who.mailbox });
  } catch (error) {
    if (!(error instanceof ReplyError)) throw error;
    print(who, Buffer.from(error.data).toString());
  }
  everybodyLooks();
}

await ask(alice, JOIN, "alice");
await ask(bob, JOIN, "bob");
await ask(carol, JOIN, "carol");
await ask(alice, POST, "hello");
await ask(mallory, POST, "let me in");
await ask(bob, LEAVE);

carol.mailbox.kill();
print(alice, (await alice.mailbox.recv({ timeout: 5000 })).text());

await ask(alice, LEAVE);
engine.close();
