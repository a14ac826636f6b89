"""dispatch.c in Python, by the dispatcher of the client."""

import sys
from pathlib import Path

import tidings

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from channels.client import Dispatcher  # noqa: E402

with tidings.Engine() as engine:
    loop = engine.loop()

    def say(id: str, data: str) -> None:
        print(f"{id}: {data}")

    def dispatch(id: str, data: str) -> None:
        dispatcher.dispatch(id, data)
        loop.run(0)

    dispatcher = Dispatcher(engine, loop)
    dispatcher.on("components/commtest", say)
    dispatch("components/commtest", "hello")
    dispatch("no/such", "x")
    dispatch("components/commtest", "again")
    dispatcher.on("late/route", say)
    dispatch("late/route", "x")
