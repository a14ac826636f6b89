// SocketCluster's protocol, versions 1 and 2 on one port, for any program: connections, channels, tokens, calls to clients.
// Channels are topics of the engine. Which program it is, `rules` say; all three may be left out:
//   event(connection, name, data, respond)    what a client has emitted; respond(error, data) answers it, once; else it gets no answer
//   subscribing(connection, channel)          before the subscription is confirmed
//   guard(connection, action, name, data)     of "emit", "subscribe" and "publishIn": throws to refuse, false refuses without a reason
import { WebSocketServer } from "ws";
import formatter from "sc-formatter";
import { Connection, topicOf } from "./connection.mjs";
import { Tokens } from "./tokens.mjs";

const DEFAULTS = {
  path: "/socketcluster/",
  pingInterval: 8_000,
  pingTimeout: 20_000,
  handshakeTimeout: 10_000,
  ackTimeout: 10_000,
  maxPayload: 8 * 2 ** 20, // of a frame that comes in: less than an eighth of maxBytes, for it may be longer when it is written anew
  socketChannelLimit: 1_000,
  allowClientPublish: true,
  maxMessages: 10_000, // frames that wait for one client, and their bytes: who is further behind is disconnected
  maxBytes: 64 * 2 ** 20,
};

export class SocketCluster {
  connections = new Set();
  #sockets;

  constructor(engine, server, options = {}, rules = {}) {
    this.engine = engine;
    this.options = { ...DEFAULTS, ...options };
    this.rules = rules;
    this.tokens = new Tokens(options);
    const { path, maxPayload } = this.options;
    this.#sockets = new WebSocketServer({ server, path, maxPayload });
    this.#sockets.on("connection", (socket, { socket: stream }) => this.connections.add(new Connection(this, socket, stream)));
  }

  /** To everyone who has subscribed; answers how many they were. With `from`, a mailbox, it passes also while the engine drains. */
  publish(channel, data, { from } = {}) {
    return this.engine.publish(topicOf(channel), this.publication(channel, data), { from }).matched;
  }

  /** The frame that says so. */
  publication(channel, data) {
    return formatter.encode({ event: "#publish", data: { channel, data } });
  }

  /** Says goodbye to everyone. They come again by themselves, as soon as somebody listens. */
  close() {
    this.#sockets.close();
    for (const connection of [...this.connections]) connection.close(1001);
  }

  /** Hangs up on those who have not taken their leave. */
  terminate() {
    for (const socket of this.#sockets.clients) socket.terminate();
  }
}
