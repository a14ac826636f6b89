// What a client's packets mean: the events of the protocol itself, then those of the program. Nothing that is in a packet can do more than bring
// its own sender an error.
import errors from "sc-errors";

const { BrokerError, InvalidActionError, SilentMiddlewareBlockedError } = errors;

export class Packets {
  #connection;
  #cluster;

  constructor(connection, cluster) {
    this.#connection = connection;
    this.#cluster = cluster;
  }

  take(packet) {
    const { event, rid } = packet;
    if (typeof event === "string") this.#event(packet);
    else if ((event === undefined || event === null) && rid) this.#connection.answered(packet);
  }

  #event({ event, data, cid }) {
    const connection = this.#connection;
    if (!connection.active && event !== "#handshake") return connection.close(4009);
    const respond = this.#responder(cid);
    try {
      if (Object.hasOwn(PROTOCOL, event)) PROTOCOL[event](connection, this.#cluster, data, respond);
      else if (!event.startsWith("#")) this.#emitted(event, data, respond);
    } catch (error) {
      respond(error);
    }
  }
  #emitted(event, data, respond) {
    allow(this.#cluster, this.#connection, "emit", event, data);
    this.#cluster.rules.event?.(this.#connection, event, data, respond);
  }

  /** Answers once, and only who has asked. What else comes with an error is not usual. */
  #responder(cid) {
    let open = (typeof cid === "number" || typeof cid === "string") && Boolean(cid);
    return (error, data, more) => {
      if (!open) return;
      if (error === null || error === undefined) this.#connection.send({ rid: cid, data });
      else this.#connection.send({ rid: cid, error: errors.dehydrateError(error), ...more });
      open = false;
    };
  }
}

function allow({ rules }, connection, action, name, data) {
  if (rules.guard?.(connection, action, name, data) !== false) return;
  const middleware = action === "publishIn" ? "publishIn" : action;
  throw new SilentMiddlewareBlockedError(`Action was silently blocked by ${middleware} middleware`, middleware);
}

function subscribe(connection, cluster, data, respond) {
  const channel = typeof data === "string" ? data : data?.channel;
  const refused = (why) => new BrokerError(`Failed to subscribe socket to the ${String(channel)} channel - Socket ${connection.id} ${why}`);
  if (typeof channel !== "string") throw refused("provided an invalid channel name");
  allow(cluster, connection, "subscribe", channel, data);
  const limit = cluster.options.socketChannelLimit;
  if (!connection.isSubscribed(channel) && connection.subscriptions.length >= limit) {
    throw refused(`tried to exceed the channel subscription limit of ${limit}`);
  }
  try {
    connection.subscribe(channel);
  } catch (error) {
    if (error.code !== "TD_EINVAL") throw error;
    throw refused("provided an invalid channel name"); // it is too long
  }
  cluster.rules.subscribing?.(connection, channel);
  respond(null);
}

function unsubscribe(connection, cluster, channel, respond) {
  const refused = (why) => new BrokerError(`Failed to unsubscribe socket from the ${String(channel)} channel - Socket ${connection.id} tried to unsubscribe from ${why}`);
  if (typeof channel !== "string") throw refused("an invalid channel name");
  if (!connection.isSubscribed(channel)) throw refused("a channel which it is not subscribed to");
  connection.unsubscribe(channel);
  respond(null);
}

function publish(connection, cluster, request, respond) {
  if (!cluster.options.allowClientPublish) throw new InvalidActionError("Client publish feature is disabled");
  const { channel, data } = request ?? {};
  if (typeof channel !== "string") throw new BrokerError(`Socket ${connection.id} tried to publish to an invalid ${String(channel)} channel`);
  allow(cluster, connection, "publishIn", channel, data);
  cluster.publish(channel, data, { from: connection.mailbox });
  respond(null);
}

function handshake(connection, cluster, data, respond) {
  if (connection.active) return;
  connection.activate();
  const status = { id: connection.id, pingTimeout: cluster.options.pingTimeout };
  const signed = data?.authToken;
  if (signed !== undefined && signed !== null) {
    const wrong = connection.authenticate(signed);
    if (wrong !== null) status.authError = errors.dehydrateError(wrong);
  }
  status.isAuthenticated = connection.authToken !== null;
  respond(null, status);
}

function authenticate(connection, cluster, signed, respond) {
  const wrong = connection.authenticate(signed);
  if (wrong === null) return respond(null, { isAuthenticated: true, authError: null });
  respond(wrong, undefined, { data: { isAuthenticated: false, authError: errors.dehydrateError(wrong) } });
}

const PROTOCOL = {
  "#handshake": handshake,
  "#subscribe": subscribe,
  "#unsubscribe": unsubscribe,
  "#publish": publish,
  "#authenticate": authenticate,
  "#removeAuthToken": (connection) => {
    connection.authToken = null;
  },
  "#disconnect": (connection, cluster, data) => {
    const code = data?.code;
    connection.close(Number.isInteger(code) && (code === 1000 || (code >= 3000 && code <= 4999)) ? code : 1000);
  },
};
