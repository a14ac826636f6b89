"""PyPI's socketclusterclient, told what to do by lines of JSON on standard input, telling what comes on standard output."""
import json
import sys
import threading

from socketclusterclient import Socketcluster


def say(*what):
    print(json.dumps(what), flush=True)


def expect(number):
    """The client knows an answer's callback only after it has sent, and the answer may be there before: it is told first."""
    client.acks[client.cnt + 1] = ["", lambda event, error, data: say("answer", number, error, data)]
    return lambda event, error, data: say("answer", number, error, data)


def listen(on, name):
    on(name, lambda _, data: say("got", name, data))


def obey(what, *rest):
    if what == "ask":
        client.emitack(rest[1], rest[2], expect(rest[0]))
    elif what == "tell":
        client.emit(*rest)
    elif what == "subscribe":
        listen(client.onchannel, rest[1])
        client.subscribeack(rest[1], expect(rest[0]))
    elif what == "on":
        listen(client.on, rest[0])
    elif what == "answer":
        client.onack(rest[0], lambda event, data, respond: respond(None, rest[1]))
    elif what == "publish":
        client.publishack(rest[1], rest[2], expect(rest[0]))
    elif what == "leave":
        client.disconnect()


def commands():
    for line in sys.stdin:
        obey(*json.loads(line))


def authenticated(socket, is_authenticated):
    say("auth", {"id": socket.id, "isAuthenticated": is_authenticated})
    threading.Thread(target=commands, daemon=True).start()


client = Socketcluster.socket(f"ws://127.0.0.1:{sys.argv[1]}/socketcluster/")
client.setBasicListener(lambda s: say("connect"), lambda s: say("disconnect"), lambda s, error: say("error", repr(error)))
client.setAuthenticationListener(lambda s, token: say("token", token), authenticated)
client.setreconnection(False)
client.connect()
