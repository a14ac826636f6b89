"""P17: how late timers of 5 ms come in asyncio, one after another."""
import asyncio
import time

TIMERS = 300
DELAY = 0.005


async def main():
    loop, late = asyncio.get_running_loop(), []
    for _ in range(TIMERS):
        fired = loop.create_future()
        due = time.monotonic() + DELAY
        loop.call_later(DELAY, fired.set_result, None)
        await fired
        late.append((time.monotonic() - due) * 1e9)
    late.sort()
    print(f"p50_ns {late[TIMERS // 2]:.3f}")
    print(f"p99_ns {late[int(TIMERS * 0.99)]:.3f}")


asyncio.run(main())
