"""From a native thread, and between threads, in Python and Node: P18, P19."""
from .model import Benchmark, Target


def ours(*words):
    return ("@python", "benches/python/p18.py", *words)


def peer(*words):
    return ("@python", "benches/peers/python/p18.py", *words)


def node(folder, *words):
    return ("@node", f"benches/{folder}/p19.mjs", *words)


ASYNCIO_QUEUE = {
    "asyncio.Queue, call_soon_threadsafe": peer("asyncio", "threadsafe"),
    "asyncio.Queue, from a task": peer("asyncio", "task"),
}

BENCHMARKS = (
    Benchmark(
        "P18", "native thread into a Python handler", 64, ("ns_per_message",),
        {
            "td_handler": ours("native", "handler"),
            "td_handler, 1024": ours("native", "handler", "1024"),
            "for message in mailbox": ours("native", "iterate"),
            "queue.SimpleQueue, from a Python thread": peer("queue", "SimpleQueue", "handler"),
            "queue.Queue, from a Python thread": peer("queue", "Queue", "handler"),
            "pyzmq inproc, from a Python thread": peer("queue", "pyzmq", "handler"),
            "pykka, from a Python thread": peer("queue", "pykka", "handler"),
            "cffi callback per message": peer("callback", "cffi"),
            "ctypes callback per message": peer("callback", "ctypes"),
        },
        (
            Target("td_handler", ("queue.SimpleQueue, from a Python thread",), 1.0),
            Target("td_handler", ("pyzmq inproc, from a Python thread",), 0.1),
        ),
    ),
    Benchmark(
        "P18", "Python thread to Python thread", 64, ("ns_per_message",),
        {
            "send_many of 64": ours("threads", "many"),
            "send": ours("threads", "one"),
            "queue.SimpleQueue": peer("queue", "SimpleQueue", "loop"),
            "queue.Queue": peer("queue", "Queue", "loop"),
            "pyzmq inproc": peer("queue", "pyzmq", "loop"),
            "pykka": peer("queue", "pykka", "handler"),
        },
        (
            Target("send_many of 64", ("queue.SimpleQueue", "queue.Queue", "pyzmq inproc", "pykka"), 1.0),
            Target("send", ("queue.Queue", "pyzmq inproc", "pykka"), 0.5),
        ),
    ),
    Benchmark(
        "P18", "into asyncio", 64, ("ns_per_message",),
        {
            "async for, from a native thread": ours("native", "asyncio"),
            **ASYNCIO_QUEUE,
        },
        (Target("async for, from a native thread", tuple(ASYNCIO_QUEUE), 0.35),),
    ),
    Benchmark(
        "P19", "native thread into a Node handler", 64, ("ns_per_message",),
        {
            "td_handler": node("node", "native", "handler"),
            "td_handler, 1024": node("node", "native", "handler", "1024"),
            "for await": node("node", "native", "iterate"),
            "threadsafe call per message": node("peers/node", "threadsafe"),
            "MessageChannel, from a worker": node("peers/node", "channel"),
            "EventEmitter, no hand-over": node("peers/node", "emitter"),
        },
        (
            Target("td_handler", ("threadsafe call per message",), 0.12),
            Target("td_handler", ("MessageChannel, from a worker",), 0.06),
        ),
    ),
    Benchmark(
        "P19", "worker thread to main thread", 64, ("ns_per_message",),
        {
            "sendMany of 64": node("node", "worker", "many"),
            "send": node("node", "worker", "one"),
            "MessageChannel": node("peers/node", "channel"),
            "BroadcastChannel": node("peers/node", "broadcast"),
        },
        (
            Target("sendMany of 64", ("MessageChannel", "BroadcastChannel"), 0.5),
            Target("send", ("MessageChannel", "BroadcastChannel"), 0.5),
        ),
    ),
)
