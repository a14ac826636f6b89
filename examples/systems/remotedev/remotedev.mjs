// Remotedev over SocketCluster: apps log in and tell the monitors what they do, monitors tell the apps what to do.
// The channel "log" goes from apps to monitors, "respond" from monitors to apps, and each of both has a name, sc-ID, under which it gets what is for it
// alone. An app leaves a will: that it is gone. Monitors are present in a group, so that apps are told to stop when the last one leaves, and not before.
import { Connection, topicOf } from "./connection.mjs";

const MONITORS = "monitors";
const gone = (id) => ({ id, type: "DISCONNECTED" });

export class Remotedev {
  #cluster;
  #engine;
  #reports;
  #monitors; // a mailbox that hears of those who come and go

  constructor(reports) {
    this.#reports = reports;
  }

  /** Begins to serve a cluster whose rules it is. */
  serve(cluster) {
    this.#cluster = cluster;
    this.#engine = cluster.engine;
    this.#monitors = this.#engine.mailbox({ handler: (news) => this.#monitorsChanged(news) });
    this.#monitors.watchPresence(MONITORS);
  }

  subscribing(connection, channel) {
    if (channel === "report") connection.emit("report", { type: "list", data: this.#reports.list() });
  }

  event(connection, name, data, respond) {
    if (name === "login") respond(null, this.#login(connection, data));
    else if (name === "log") this.#publish("log", data, connection);
    else if (name === "log-noid") this.#publish("log", { id: connection.id, data }, connection);
    else if (name === "respond") this.#respond(connection, data);
    else if (name.startsWith("sc-")) this.#direct(name, data, connection);
    else if (name === "getReport") respond(null, this.#reports.get(data));
  }

  // ---------------------------------------------------------------- who is who

  #login(connection, credentials) {
    const { id, mailbox } = connection;
    if (connection.direct === undefined) this.#engine.register(`sc-${id}`, mailbox);
    if (credentials === "master") {
      if (this.#monitoring(id)) mailbox.leavePresence(MONITORS, id);
      mailbox.setWill(topicOf("log"), this.#cluster.publication("log", gone(id)));
      return (connection.direct = "respond");
    }
    if (connection.direct === "respond") mailbox.clearWill();
    if (!this.#monitoring(id)) mailbox.enterPresence(MONITORS, id);
    return (connection.direct = "log");
  }
  #monitoring(id) {
    return this.#engine.presenceKeys(MONITORS).includes(id);
  }
  #monitorsChanged({ change, key }) {
    if (change === "joined" || this.#engine.presenceKeys(MONITORS).length > 0) return;
    this.#cluster.publish("respond", gone(key), { from: this.#monitors });
  }

  // ---------------------------------------------------------------- what they say

  #publish(channel, data, { mailbox }) {
    this.#cluster.publish(channel, data, { from: mailbox });
  }
  /** To all apps. One monitor of several that wants no more does not stop them for the others. */
  #respond(connection, data) {
    const { id, mailbox, direct } = connection;
    if (direct === "log" && data?.type === "START" && !this.#monitoring(id)) mailbox.enterPresence(MONITORS, id);
    if (direct === "log" && data?.type === "STOP" && this.#engine.presenceKeys(MONITORS).some((other) => other !== id)) {
      if (this.#monitoring(id)) mailbox.leavePresence(MONITORS, id);
    } else this.#publish("respond", data, connection);
  }

  /** To one alone, if it is there. */
  #direct(name, data, connection) {
    this.#publish(name, data, connection); // for those who listen in
    Connection.direct(this.#engine, name, data, { from: connection.mailbox });
  }
}
