"""The script inside python_host.c, which gives it HOST, the id of the host's mailbox."""

import json
import sys

import tidings

JOIN, COUNT = 1, 2
HOST: int = globals()["HOST"]

engine = tidings.default_engine()
host = engine.address(HOST)
if engine.whereis("host") != host:
    sys.exit("the host is in another engine")

box = engine.mailbox("script")
box.subscribe("host.*")
host.send(box.id.to_bytes(8, sys.byteorder), JOIN, sender=box)
print("script:", box.recv(timeout=60).data.decode(), flush=True)

seen = 0
for message in box:
    seen += 1
    if message.sender != host or message.topic != "host.tick" or json.loads(message.data)["tick"] != seen:
        sys.exit(f"unexpected after {seen} ticks: {message!r}")
    if seen == 10_000:
        break
reply = host.call(b"", COUNT, timeout=60)
print("script: seen", seen, "of", int.from_bytes(reply.data, sys.byteorder), flush=True)
box.exit(tidings.Reason.USER, b"has seen enough")
