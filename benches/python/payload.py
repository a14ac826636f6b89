"""What every Python program of P18 sends: 64 fresh bytes per message, the first of which counts. Receivers look at the
first and the last byte of each."""
from time import perf_counter_ns as now

HEADS = [bytes([i]) for i in range(256)]
TAIL = b"\7" * 63  # HEADS[i & 255] + TAIL is message i
WARM_UP = 51_200  # a multiple of 256
PATIENCE = 60  # seconds: a wait that takes this long is a hang


def wrong(data, i):
    raise SystemExit(f"message {i} is {bytes(data)!r}")


def reader():
    """A handler of payloads that checks them, and how many it has seen."""
    i = 0

    def handle(data):
        nonlocal i
        if data[0] != i & 255 or data[63] != 7:
            wrong(data, i)
        i += 1

    return handle, lambda: i


def report(begun, messages):
    print(f"ns_per_message {(now() - begun) / messages:.3f}")
