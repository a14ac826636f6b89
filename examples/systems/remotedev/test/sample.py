"""The sample of PyPI's socketclusterclient, as its users have it: basic listener, login with an ack, a channel, an event."""
import json
import sys
import threading

from socketclusterclient import Socketcluster

port, role = sys.argv[1:]


def show(*what):
    print(role, *what, flush=True)


def message(name, data):
    show("message", name, json.dumps(data, sort_keys=True))


def logged_in(name, error, channel):
    show("login", repr(error), channel)
    socket.subscribe(channel)
    socket.onchannel(channel, message)
    socket.on(channel, message)


def on_connect(_):
    show("connect")


def on_disconnect(_):
    show("disconnect")


def on_connect_error(_, error):
    show("error", repr(error))


def on_authentication(_, is_authenticated):
    show("authenticated", is_authenticated, socket.id)
    # On the thread that reads: from another one the answer may come before the client knows the callback.
    socket.emitack("login", "master" if role == "app" else {}, logged_in)
    threading.Thread(target=speak, daemon=True).start()


def speak():
    for line in sys.stdin:
        event, data = json.loads(line)
        if event == "disconnect":
            socket.disconnect()
        else:
            socket.emit(event, data)


socket = Socketcluster.socket(f"ws://127.0.0.1:{port}/socketcluster/")
socket.setBasicListener(on_connect, on_disconnect, on_connect_error)
socket.setAuthenticationListener(lambda _, token: show("token", token), on_authentication)
socket.setreconnection(False)
socket.connect()
