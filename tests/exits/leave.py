"""Leaves in the way it is told while streams are live (rule 32): leave.py WAY. For run.py."""

import multiprocessing
import os
import signal
import sys
import threading
import time

import tidings

WAY = sys.argv[1] if __name__ == "__main__" else ""


def child(number):
    """A worker process: it uses an engine of its own."""
    with tidings.Engine() as engine:
        box = engine.mailbox()
        box.send(b"x", tag=number)
        message = box.recv(10)
        sys.exit(10 + number if message.tag == number else 90)


def live():
    engine = tidings.Engine()
    loop = engine.loop()
    drop_old = tidings.Policy.DROP_OLD
    seen = [0, 0]

    def handle(message):
        seen[0] += 1

    def receive(box):
        for _ in box:
            seen[1] += 1

    def flood(box):
        try:
            while True:
                box.send(b"x" * 20000 if seen[0] % 10 == 0 else b"small")
        except tidings.TidingsError:
            if WAY != "closed":
                raise

    sink = engine.mailbox("sink", handler=handle, loop=loop, policy=drop_old, max_messages=1000)
    box = engine.mailbox(policy=drop_old, max_messages=1000)
    sink.send_every(0.001, b"tick")
    for target, *arguments in ((loop.run_forever,), (receive, box), (flood, sink), (flood, box)):
        threading.Thread(target=target, args=arguments, daemon=True).start()
    deadline = time.monotonic() + 30
    while not all(seen) and time.monotonic() < deadline:
        time.sleep(0.002)
    assert all(seen), seen
    return engine, box


def workers(engine, box):
    """A prefork server: its workers come, work and go, also by a signal, and it lives on."""
    children = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            try:
                box.send(b"x")
                os._exit(91)
            except tidings.TidingsError as error:
                if "FORKED" not in type(error).__name__.upper():
                    os._exit(92)
            if number == 3:
                while True:
                    time.sleep(1)
            child(number)
        children.append(pid)
    time.sleep(0.01)
    os.kill(children[3], signal.SIGTERM)
    for number, pid in enumerate(children):
        status = os.waitpid(pid, 0)[1]
        if number < 3:
            assert os.WIFEXITED(status) and os.WEXITSTATUS(status) == 10 + number, (number, status)
        else:
            assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGTERM, status
    box.send(b"still here")


def leave(engine, box):
    if WAY == "sys.exit":
        sys.exit(3)
    if WAY == "exception":
        raise RuntimeError("on purpose")
    if WAY == "interrupt":
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(30)
    if WAY == "_exit":
        os._exit(4)
    if WAY == "closed":
        engine.close()
    if WAY == "prefork":
        workers(engine, box)
    if WAY in ("fork", "spawn"):
        context = multiprocessing.get_context(WAY)
        processes = [context.Process(target=child, args=(number,)) for number in range(2)]
        for process in processes:
            process.start()
        for number, process in enumerate(processes):
            process.join(60)
            assert process.exitcode == 10 + number, (number, process.exitcode)


if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")  # that threads live on while it forks is the point
    leave(*live())
