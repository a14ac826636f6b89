"""P18: messages of 64 bytes into Python, through the tidings package.

    p18.py native handler|iterate|asyncio [BOUND]      from a native thread (benches/c/source.c)
    p18.py threads one|many                            from a Python thread: send, or send_many of 64

BOUND is the mailbox's bound in messages, 0 the default; a full mailbox makes the native sender wait (BLOCK). Between
Python threads it takes all there is, as the peers' queues do."""
import asyncio
import ctypes
import sys
import threading
from pathlib import Path

from tidings import AsyncEngine, Engine, Policy

from payload import HEADS, PATIENCE, TAIL, WARM_UP, now, report, wrong

SOURCE = Path(__file__).resolve().parents[2] / "build/bench/source.so"
MESSAGES = 1_000_000
GROUP = 64


def native_source():
    source = ctypes.CDLL(str(SOURCE))
    source.source_start.argtypes = [ctypes.c_uint64, ctypes.c_uint64]
    return source


def into_handler(engine, bound, source):
    seen = 0

    def handle(message):
        nonlocal seen
        data = message.data
        if data[0] != seen & 255 or data[63] != 7:
            wrong(data, seen)
        seen += 1

    loop = engine.loop()
    mailbox = engine.mailbox(policy=Policy.BLOCK, max_messages=bound, handler=handle, loop=loop)

    def receive(count):
        nonlocal seen
        seen = 0
        source.source_start(mailbox.id, count)
        while seen < count:
            if loop.run(PATIENCE) == 0:
                raise SystemExit("no message came")
        source.source_join()

    return receive


def into_iteration(engine, bound, source):
    mailbox = engine.mailbox(policy=Policy.BLOCK, max_messages=bound)

    def receive(count):
        source.source_start(mailbox.id, count)
        check(mailbox, count)
        source.source_join()

    return receive


def into_asyncio(engine, bound, source):
    mailbox = AsyncEngine(engine).mailbox(policy=Policy.BLOCK, max_messages=bound)

    async def consume(count):
        i = 0
        async for message in mailbox:
            data = message.data
            if data[0] != i & 255 or data[63] != 7:
                wrong(data, i)
            i += 1
            if i == count:
                return

    def receive(count):
        source.source_start(mailbox.id, count)
        asyncio.run(asyncio.wait_for(consume(count), PATIENCE))
        source.source_join()

    return receive


def check(mailbox, count):
    i = 0
    for message in mailbox:
        data = message.data
        if data[0] != i & 255 or data[63] != 7:
            wrong(data, i)
        i += 1
        if i == count:
            return


def native(engine, way, bound="0"):
    make = {"handler": into_handler, "iterate": into_iteration, "asyncio": into_asyncio}[way]
    receive = make(engine, int(bound), native_source())
    receive(WARM_UP)
    begun = now()
    receive(MESSAGES)
    report(begun, MESSAGES)


def send_each(mailbox, count):
    send = mailbox.send
    for i in range(count):
        send(HEADS[i & 255] + TAIL)


def send_groups(mailbox, count):
    send_many = mailbox.send_many
    for first in range(0, count, GROUP):
        send_many([HEADS[i & 255] + TAIL for i in range(first, first + GROUP)])


def threads(engine, way):
    send = {"one": send_each, "many": send_groups}[way]
    count = MESSAGES // GROUP * GROUP
    mailbox = engine.mailbox(max_messages=count, max_bytes=count * 128)
    for messages in (WARM_UP, count):
        sender = threading.Thread(target=send, args=(mailbox, messages))
        begun = now()
        sender.start()
        check(mailbox, messages)
    report(begun, count)
    sender.join()


if __name__ == "__main__":
    with Engine() as engine:
        {"native": native, "threads": threads}[sys.argv[1]](engine, *sys.argv[2:])
