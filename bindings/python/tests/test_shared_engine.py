"""A C producer and the installed package in one process share one engine, message for message."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import Script

COUNT = 1_000_000

CONSUMER = """
    import ctypes, struct, sys, zlib
    native = ctypes.CDLL(sys.argv[1])
    for name in ("producer_engine", "producer_given", "producer_released", "producer_dropped"):
        getattr(native, name).restype = ctypes.c_uint64
    native.producer_crc.restype = ctypes.c_uint32
    native.producer_start.argtypes = [ctypes.c_uint64]
    shared = native.producer_engine()
    assert "tidings" not in sys.modules

    import tidings
    engine = tidings.default_engine()
    assert engine.id == shared, (hex(engine.id), hex(shared))
    count, way = int(sys.argv[2]), sys.argv[3]
    crc = seen = lost = 0

    def take(message):
        global crc, seen, lost
        data = message.data
        assert message.tag == seen, (message, seen)
        seen += 1
        lost += message.lost
        crc = zlib.crc32(data, zlib.crc32(struct.pack("<I", len(data)), crc))
        if seen == count:
            box.close()

    if way == "handler":
        loop = engine.loop()
        box = engine.mailbox("sink", handler=take, loop=loop, max_messages=20000)
    else:
        box = engine.mailbox("sink", max_messages=20000)
    box.subscribe("stream.*")
    assert native.producer_start(count) == 0
    if way == "handler":
        while box.stats().open:
            assert loop.run(30) > 0, f"nothing came for 30 s after {seen}"
    else:
        for message in box:
            take(message)
    assert native.producer_join() == 0
    tidings._fast.drain()
    print(seen, crc == native.producer_crc(), native.producer_given(), native.producer_released())
    print(lost, native.producer_dropped())
    """


@pytest.mark.native
@pytest.mark.parametrize("way", ["iteration", "handler"])
def test_a_million_messages_byte_for_byte(script: Script, producer: Path, way: str) -> None:
    done = script(CONSUMER, str(producer), str(COUNT), way, timeout=240)
    assert done.returncode == 0, done.stderr
    seen, same, given, released, lost, dropped = done.stdout.split()
    assert (seen, same) == (str(COUNT), "True")
    assert int(given) >= COUNT // 500 and given == released
    assert lost == dropped  # each time it was full, it was sent again


@pytest.mark.native
def test_a_c_thread_evicts_the_buffers_of_python(script: Script, producer: Path) -> None:
    text = """
    import ctypes, sys, time
    native = ctypes.CDLL(sys.argv[1])
    native.producer_engine.restype = ctypes.c_uint64
    native.producer_engine()
    import tidings
    engine = tidings.default_engine()
    sink = engine.mailbox("sink", max_messages=64, policy=tidings.Policy.DROP_OLD)
    large = [bytes([n]) * 40000 for n in range(4)]
    before = [sys.getrefcount(data) for data in large]
    assert native.producer_flood() == 0
    ours = 0
    end = time.monotonic() + 3
    for n in range(200000):
        sink.send(large[n % 4], 1 << 40 | n % 4)
        if n % 64 == 0:
            message = sink.recv(10)
            if message.tag >> 40:
                assert message.data == large[message.tag & 3]
                ours += 1
        if time.monotonic() > end:
            break
    lost = sink.stats().lost
    sink.close()
    tidings._fast.drain()
    after = [sys.getrefcount(data) for data in large]
    assert after == before, (before, after)
    assert lost > 1000, lost
    print("ok")
    """
    done = script(text, str(producer))
    assert (done.stdout.strip(), done.returncode) == ("ok", 0), done.stderr
