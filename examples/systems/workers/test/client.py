"""A session of the Python client; each step prints a line. Arguments: the socket, and where none is."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../clients/python"))

import workers_client as workers

path, absent = sys.argv[1:]


def tell(step: str, *values: object) -> None:
    print(json.dumps([step, *values], separators=(",", ":")), flush=True)


try:
    workers.connect(absent)
except workers.IpcConnectError as error:
    tell("connect", type(error).__name__)

with workers.connect(path) as client:
    tell("status", len(client.get_status()["workers"]))
    client.send_app_message("hello", {"a": 1}, workers="0-1")
    tell("message")
    replies = list(client.send_app_request("echo", {"n": 1}))
    tell("echo", sorted([reply.id, reply.pid, reply.data] for reply in replies))
    tell("none", list(client.send_app_request("string", workers="7")))
    tell("empty", [reply.data for reply in client.send_app_request("nothing", workers="0")])
    tell("stream", [reply.data for reply in client.send_app_request("slowstream", workers="0")])
    for reply in client.send_app_request("stream", {"count": 10_000}):
        if reply.data == 3:
            break
    tell("left", reply.data)
    for reply in client.send_app_request("endless"):
        if reply.data == 5:
            break
    while sum(reply.data for reply in client.send_app_request("endless-now")) > 0:
        pass
    tell("given up")
    tell("fail", [list(reply.errors) for reply in client.send_app_request("nosuch", workers="1")])
    try:
        client.call("bogus")
    except workers.RequestError as error:
        tell("refused", error.errors)
    counts: dict[str, int] = {}
    for reply in client.send_app_request("stream", {"count": 1_000}):
        assert reply.data == counts.get(reply.id, 0) + 1
        counts[reply.id] = reply.data
    tell("count", list(counts.values()))
    try:
        for reply in client.send_app_request("endless", workers="0"):
            if reply.data == 5:
                tell("endless")  # now the daemon is killed
    except workers.IpcClosedError as error:
        tell("closed", type(error).__name__)
