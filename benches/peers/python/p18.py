"""P18: what a user of Python would pick instead.

    p18.py queue SimpleQueue|Queue|pyzmq|pykka handler|loop     from a Python thread
    p18.py callback ctypes|cffi                                 a native thread calls Python for each message
    p18.py asyncio threadsafe|task                              into an asyncio.Queue, from a thread or from a task

In `handler` a function is called for each payload, in `loop` the loop that receives looks at it itself."""
import asyncio
import ctypes
import queue
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "benches/python"))
from payload import HEADS, PATIENCE, TAIL, WARM_UP, now, reader, report, wrong  # noqa: E402

MESSAGES = {"SimpleQueue": 1_000_000, "Queue": 150_000, "pyzmq": 400_000, "pykka": 100_000, "ctypes": 60_000,
            "cffi": 500_000, "threadsafe": 100_000, "task": 400_000}  # fmt: skip


def of_queue(make):
    """put, get for a class of the standard library."""
    q = make()
    return q.put, q.get


def of_zmq():
    import zmq

    def pair(connect):
        socket = zmq.Context.instance().socket(zmq.PAIR)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        socket.setsockopt(zmq.RCVTIMEO, PATIENCE * 1000)
        (socket.connect if connect else socket.bind)("inproc://p18")
        return socket

    receiver = pair(False)
    return pair(True).send, receiver.recv


QUEUES = {"SimpleQueue": lambda: of_queue(queue.SimpleQueue), "Queue": lambda: of_queue(queue.Queue), "pyzmq": of_zmq}


def send_each(put, count):
    for i in range(count):
        put(HEADS[i & 255] + TAIL)


def handle_each(get, count):
    handle, _ = reader()
    for _ in range(count):
        handle(get())


def check_each(get, count):
    for i in range(count):
        data = get()
        if data[0] != i & 255 or data[63] != 7:
            wrong(data, i)


def from_thread(peer, way):
    if peer == "pykka":
        return from_thread_to_actor()
    put, get = QUEUES[peer]()
    receive = {"handler": handle_each, "loop": check_each}[way]
    for count in (WARM_UP, MESSAGES[peer]):
        sender = threading.Thread(target=send_each, args=(put, count))
        begun = now()
        sender.start()
        receive(get, count)
    report(begun, count)
    sender.join()


def from_thread_to_actor():
    import pykka

    class Reader(pykka.ThreadingActor):
        def __init__(self):
            super().__init__()
            self.handle, self.seen = reader()

        def on_receive(self, data):
            self.handle(data)

    for count in (WARM_UP, MESSAGES["pykka"]):
        actor = Reader.start()
        begun = now()
        send_each(actor.tell, count)
        actor.stop(timeout=PATIENCE)  # after what is queued
    report(begun, count)


def from_callback(way):
    library = str(ROOT / "build/bench/callback.so")
    handle, seen = reader()
    if way == "ctypes":
        run = ctypes.CDLL(library).callback_run
        type_of_function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t)
        fn = type_of_function(lambda data, size: handle(ctypes.string_at(data, size)))
        run.argtypes = [type_of_function, ctypes.c_ulong]
    else:
        import cffi

        ffi = cffi.FFI()
        ffi.cdef("int callback_run(void (*fn)(const void *data, size_t size), unsigned long count);")
        run = ffi.dlopen(library).callback_run
        buffer = ffi.buffer
        fn = ffi.callback("void(const void *, size_t)", lambda data, size: handle(buffer(data, size)[:]))
    for count in (WARM_UP // 10 // 256 * 256, MESSAGES[way]):
        before, begun = seen(), now()
        run(fn, count)
    report(begun, count)
    if seen() - before != count:
        raise SystemExit(f"{seen() - before} messages of {count}")


async def into_asyncio(way, count):
    q = asyncio.Queue()
    if way == "threadsafe":
        loop = asyncio.get_running_loop()
        sender = threading.Thread(target=send_each, args=(lambda data: loop.call_soon_threadsafe(q.put_nowait, data), count))
        sender.start()
    else:
        sender = asyncio.create_task(send_in_task(q, count))
    for i in range(count):
        data = await q.get()
        if data[0] != i & 255 or data[63] != 7:
            wrong(data, i)


async def send_in_task(q, count):
    for i in range(count):
        q.put_nowait(HEADS[i & 255] + TAIL)
        if i % 64 == 63:
            await asyncio.sleep(0)


def with_asyncio(way):
    for count in (WARM_UP, MESSAGES[way]):
        begun = now()
        asyncio.run(asyncio.wait_for(into_asyncio(way, count), PATIENCE))
    report(begun, count)


if __name__ == "__main__":
    {"queue": from_thread, "callback": from_callback, "asyncio": with_asyncio}[sys.argv[1]](*sys.argv[2:])
