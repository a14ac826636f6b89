"""Calls, fan-out, many mailboxes, rings, monitors, selective receive, timers: P9, P11, P13 to P17."""
from .model import Benchmark, Growth, Target


def erlang(*words):
    return ("@erl", "+P", "2000000", "-noshell", "-pa", "build/bench", "-s", "actors", "main", *words)


def calls():
    threads = {
        "crossbeam bounded(1024)": ("peers", "call", "crossbeam-1024"),
        "crossbeam unbounded": ("peers", "call", "crossbeam-unbounded"),
        "kanal bounded(1024)": ("peers", "call", "kanal-1024"),
        "kanal unbounded": ("peers", "call", "kanal-unbounded"),
    }
    yield Benchmark(
        "P9", "a call and its reply between two threads", 8, ("p50_ns", "p99_ns"),
        {"td_call": ("call", "threads"), **threads},
        (Target("td_call", tuple(threads), 1.0, "p50_ns"), Target("td_call", tuple(threads), 0.5, "p99_ns")),
    )
    yield Benchmark(
        "P9", "a call and its reply between handlers on a worker", 8, ("p50_ns", "p99_ns"),
        {
            "td_call_start": ("call", "worker"),
            "tokio tasks": ("peers", "call", "tokio"),
            "ractor": ("peers", "call", "ractor"),
            "Erlang gen_server": erlang("call"),
        },
        (
            Target("td_call_start", ("tokio tasks",), 1.0, "p50_ns"),
            Target("td_call_start", ("tokio tasks",), 0.1, "p99_ns"),
        ),
    )


FANOUT = {
    "td_publish": ("fanout", "one", "worker", "{n}"),
    "td_publish_many of 16": ("fanout", "many", "worker", "{n}"),
    "td_publish, read by one loop": ("fanout", "one", "loop", "{n}"),
    "td_publish_many, read by one loop": ("fanout", "many", "loop", "{n}"),
    "tokio broadcast": ("peers", "fanout", "tokio-broadcast", "{n}"),
    "kanal in a loop (no topics)": ("peers", "fanout", "kanal-loop", "{n}"),
    "libzmq PUB/SUB": ("peers-zmq_fanout", "{n}"),
    "Erlang pg": erlang("fanout", "{n}"),
}


def fanouts():
    for n, of_broadcast in ((10, None), (100, 1.5), (1000, 1.5), (10000, 1.0)):
        targets = [Target("td_publish", ("Erlang pg",), 0.2)]
        if of_broadcast:
            targets.append(Target("td_publish", ("tokio broadcast",), of_broadcast))
        targets.append(Target("td_publish_many of 16", ("tokio broadcast",), 0.3))
        programs = {name: tuple(word.replace("{n}", str(n)) for word in words) for name, words in FANOUT.items()}
        title = f"fan-out to {n} subscribers, per delivery"
        yield Benchmark("P11", title, 64, ("ns_per_delivery",), programs, tuple(targets))


MEMORY = ("bytes_per_mailbox", "bytes_of_its_first_message", "bytes_per_subscription", "bytes_per_monitor",
          "bytes_of_its_first_monitor", "bytes_per_timer")

BENCHMARKS = (
    *calls(),
    *fanouts(),
    Benchmark(
        "P13", "a million mailboxes", 8, ("bytes_empty", "bytes_with_one", "create_ns", "destroy_ns"),
        {
            "td_mailbox_open": ("many", "1000000"),
            "flume": ("peers", "many", "flume", "1000000"),
            "kanal": ("peers", "many", "kanal", "1000000"),
            "Erlang processes": erlang("many", "1000000"),
        },
        (
            Target("td_mailbox_open", (), 160, "bytes_empty"),
            Target("td_mailbox_open", (), 448, "bytes_with_one"),
            Target("td_mailbox_open", ("flume",), 1.0, "create_ns"),
            Target("td_mailbox_open", ("flume",), 0.6, "destroy_ns"),
        ),
    ),
    Benchmark(
        "P13", "memory, as an allocator counts it", 0, MEMORY,
        {"tidings": ("@cargo", "test", "--quiet", "--release", "--locked", "--test", "memory")},
        (Target("tidings", (), 160, MEMORY[0]), Target("tidings", (), 448 - 160, MEMORY[1])),
    ),
    Benchmark(
        "P14", "a ring of 1,000 handlers on a worker, per hop", 8, ("ns_per_hop",),
        {
            "td_send": ("ring", "1000"),
            "tokio tasks": ("peers", "ring", "tokio", "1000"),
            "Erlang": erlang("ring", "1000"),
            "CAF": ("peers-caf", "ring", "1000"),
        },
        (Target("td_send", ("tokio tasks", "Erlang", "CAF"), 0.5),),
    ),
    Benchmark(
        "P15", "100,000 monitors and one death", 0, ("death_to_last_us", "setup_ns"),
        {
            "td_monitor, one watcher": ("monitors", "one", "100000"),
            "td_monitor, a watcher each": ("monitors", "each", "100000"),
            "Erlang, one watcher": erlang("monitors_one", "100000"),
            "Erlang, a watcher each": erlang("monitors_each", "100000"),
            "ractor, a watcher each": ("peers", "monitors", "ractor", "100000"),
        },
        tuple(
            Target("td_monitor, one watcher", ("Erlang, one watcher", "ractor, a watcher each"), at_most, metric)
            for at_most, metric in ((0.4, "death_to_last_us"), (0.6, "setup_ns"))
        ),
    ),
    Benchmark(
        "P16", "selective receive behind a backlog of 100,000", 8, ("ns_per_receive",),
        {
            "td_recv_match by tag": ("select", "tag", "100000"),
            "td_recv_match by ref": ("select", "ref", "100000"),
            "td_recv_match by ref, no backlog": ("select", "ref", "0"),
            "Erlang, by tag": erlang("select_tag", "100000"),
            "Erlang, by ref": erlang("select_ref", "100000"),
        },
        (
            Target("td_recv_match by tag", ("Erlang, by tag",), 0.03),
            Target("td_recv_match by ref", ("td_recv_match by ref, no backlog",), 1.25),
        ),
    ),
    Benchmark(
        "P17", "a million timers", 0, ("arm_ns", "cancel_ns"),
        {"td_send_after": ("timers", "arm", "1000000"), "Erlang": erlang("timers", "1000000")},
        tuple(Target("td_send_after", ("Erlang",), 0.25, metric) for metric in ("arm_ns", "cancel_ns")),
    ),
    Benchmark(
        "P17", "lateness of a timer of 5 ms", 0, ("p99_ns", "p50_ns"),
        {"td_send_after": ("timers", "late"), "asyncio": ("@python", "benches/peers/python/late.py"), "Erlang": erlang("late")},
        (Target("td_send_after", ("asyncio", "Erlang"), 0.8),),
    ),
)


def decades(first, last):
    return tuple(10**e for e in range(first, last + 1))


MONITORS = {
    "td_monitor, one watcher": ("monitors", "one", "{n}"),
    "td_monitor, a watcher each": ("monitors", "each", "{n}"),
    "Erlang, one watcher": erlang("monitors_one", "{n}"),
    "ractor, a watcher each": ("peers", "monitors", "ractor", "{n}"),
}
MAILBOXES = {
    "td_mailbox_open": ("many", "{n}"),
    "flume": ("peers", "many", "flume", "{n}"),
    "Erlang processes": erlang("many", "{n}"),
}
BACKLOG = {
    "td_recv_match by tag": ("select", "tag", "{n}"),
    "td_recv_match by ref": ("select", "ref", "{n}"),
    "Erlang, by tag": erlang("select_tag", "{n}"),
    "Erlang, by ref": erlang("select_ref", "{n}"),
}
TIMERS = {"td_send_after": ("timers", "arm", "{n}"), "Erlang": erlang("timers", "{n}")}

GROWTHS = (
    Growth("P11", "fan-out, per delivery", "subscribers", decades(0, 4), "ns_per_delivery", FANOUT),
    Growth("P13", "opening a mailbox", "mailboxes", decades(1, 6), "create_ns", MAILBOXES),
    Growth("P13", "closing a mailbox", "mailboxes", decades(1, 6), "destroy_ns", MAILBOXES),
    Growth("P15", "a death, until the last has heard", "monitors", decades(0, 5), "death_to_last_us", MONITORS),
    Growth("P16", "selective receive", "messages before it", decades(0, 5), "ns_per_receive", BACKLOG),
    Growth("P17", "arming a timer", "timers", decades(0, 6), "arm_ns", TIMERS),
    Growth("P17", "cancelling a timer", "timers", decades(0, 6), "cancel_ns", TIMERS),
)
