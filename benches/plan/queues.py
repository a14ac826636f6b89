"""Queues between threads, and within one: P1 to P8, P10, P12. `best` in a target is the best of the real peers; the row
on another allocator shows what the allocator alone gives."""
from .model import Benchmark, Growth, Target

CHANNELS = {
    "crossbeam unbounded": "crossbeam-unbounded",
    "crossbeam bounded(1024)": "crossbeam-1024",
    "kanal unbounded": "kanal-unbounded",
    "kanal bounded(1024)": "kanal-1024",
    "flume unbounded": "flume-unbounded",
    "flume bounded(1024)": "flume-1024",
    "std mpsc": "std-unbounded",
    "std sync_channel(1024)": "std-1024",
}
CROSSBEAM = ("crossbeam unbounded",)
KANAL = ("kanal unbounded", "kanal bounded(1024)")
ERLANG = ("@erl", "-noshell", "-pa", "build/bench", "-s", "bench", "main")
ONE_CORE = ("@one-core",)

# ---- one way: P1 to P7


def peers(size, senders):
    """The real ones."""
    words = (str(size), str(senders))
    return {
        **{name: ("peers", "oneway", channel, *words) for name, channel in CHANNELS.items()},
        "libzmq inproc": ("peers-zmq", "oneway", *words),
        "nng inproc": ("peers-nng", "oneway", *words),
        "Erlang": (*ERLANG, "oneway", *words),
    }


def ours(size, receive, send="send", senders=1, bound=0):
    return ("oneway", str(size), receive, send, str(senders), str(bound))


def oneway(id, title, size, programs, targets, senders=1):
    real = peers(size, senders)
    mimalloc = {"crossbeam unbounded + mimalloc": ("peers-mimalloc", "oneway", "crossbeam-unbounded", str(size), str(senders))}
    judged = tuple(Target(name, tuple(real) if of == "best" else of, at_most) for name, of, at_most in targets)
    return Benchmark(id, title, size, ("ns_per_message",), {**programs, **real, **mimalloc}, judged)


ONE_WAY = (
    oneway(
        "P1", "one thread to one thread", 64,
        {
            "td_recv_batch": ours(64, "batch"),
            "td_recv": ours(64, "recv"),
            "td_recv_batch, 1024": ours(64, "batch", bound=1024),
            "td_recv, 1024": ours(64, "recv", bound=1024),
        },
        (("td_recv_batch", "best", 0.5), ("td_recv_batch", CROSSBEAM, 0.3)),
    ),
    oneway(
        "P2", "one thread to one thread, td_send_many of 64", 64,
        {"td_recv_batch": ours(64, "batch", "many"), "td_recv": ours(64, "recv", "many")},
        (("td_recv_batch", "best", 0.3),),
    ),
    oneway(
        "P3", "one thread to one thread", 8,
        {"td_recv_batch": ours(8, "batch"), "td_recv": ours(8, "recv")},
        (("td_recv_batch", KANAL, 1.3), ("td_recv_batch", CROSSBEAM, 0.5)),
    ),
    oneway(
        "P4", "one thread to one thread", 1024,
        {"td_recv_batch": ours(1024, "batch"), "td_recv": ours(1024, "recv")},
        (("td_recv_batch", "best", 0.7),),
    ),
    oneway(
        "P5", "one thread to one thread", 65536,
        {
            "td_recv_batch": ours(65536, "batch"),
            "td_recv": ours(65536, "recv"),
            "td_recv_batch, by reference": ours(65536, "batch", "reference"),
        },
        (("td_recv_batch", "best", 1.0), ("td_recv_batch, by reference", "best", 0.1)),
    ),
    oneway(
        "P6", "four threads to one", 64,
        {"td_recv_batch": ours(64, "batch", senders=4), "td_recv": ours(64, "recv", senders=4)},
        (("td_recv_batch", "best", 0.5),),
        senders=4,
    ),
    oneway(
        "P7", "sent and received on one thread", 64,
        {"td_recv": ours(64, "recv", senders="same"), "td_recv_batch": ours(64, "batch", senders="same")},
        (("td_recv", CROSSBEAM, 0.7),),
        senders="same",
    ),
)

# ---- waiting: P8, P10, P12

ECHOES = {
    **{name: ("peers", "pingpong", channel) for name, channel in CHANNELS.items()},
    "libzmq inproc": ("peers-zmq", "pingpong"),
    "nng inproc": ("peers-nng", "pingpong"),
    "CAF": ("peers-caf", "pingpong"),
    "Erlang": (*ERLANG, "pingpong"),
}


def wakeup(readers):
    return Benchmark(
        "P12", f"one publication to the last of {readers:,} parked threads", 64, ("p50_ns", "p99_ns"),
        {
            "td_publish": ("wakeup", str(readers)),
            "crossbeam unbounded, a loop": ("peers", "wakeup", "crossbeam-unbounded", str(readers)),
            "kanal unbounded, a loop": ("peers", "wakeup", "kanal-unbounded", str(readers)),
        },
        (Target("td_publish", ("crossbeam unbounded, a loop",), 0.5),),
    )


WAITING = (
    Benchmark(
        "P8", "blocking ping-pong of two threads, round trip", 8, ("p50_ns", "p99_ns"),
        {"td_recv": ("pingpong",), **ECHOES},
        (Target("td_recv", tuple(ECHOES), 0.8), Target("td_recv", tuple(ECHOES), 0.5, "p99_ns")),
    ),
    Benchmark(
        "P10", "ping-pong held on one core, round trip", 8, ("p50_ns", "p99_ns"),
        {name: ONE_CORE + words for name, words in {"td_recv": ("pingpong",), **ECHOES}.items()},
        (Target("td_recv", KANAL, 1.5), Target("td_recv", KANAL, 1.5, "p99_ns")),
    ),
    wakeup(100),
    wakeup(1000),
)

BENCHMARKS = ONE_WAY + WAITING


def growth(title, along, sizes, senders, ours_by_name, names):
    real = peers(64, senders)
    return Growth("P1", title, along, sizes, "ns_per_message", {**ours_by_name, **{name: real[name] for name in names}})


GROWTHS = (
    growth(
        "many threads to one", "senders", (1, 2, 4, 8, 16, 32, 64), "{n}",
        {"td_recv_batch": ours(64, "batch", senders="{n}"), "td_recv": ours(64, "recv", senders="{n}")},
        ("crossbeam unbounded", "kanal bounded(1024)", "flume unbounded", "libzmq inproc", "Erlang"),
    ),
    growth(
        "a burst sent, then received, on one thread", "messages in the burst", (1, 10, 100, 1000, 10000, 100000), "same:{n}",
        {
            "td_recv_batch": ours(64, "batch", senders="same:{n}", bound=100000),
            "td_recv": ours(64, "recv", senders="same:{n}", bound=100000),
            "td_send_many, td_recv_batch": ours(64, "batch", "many", senders="same:{n}", bound=100000),
        },
        ("crossbeam unbounded", "kanal unbounded", "flume unbounded", "libzmq inproc", "Erlang"),
    ),
)
