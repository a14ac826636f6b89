"""A chat room in one process: join, post, leave.

The room is a mailbox with a name and a thread. It keeps its members newest first, tells them in that order who
has joined or left, monitors each, and lets nobody post who has not joined.
"""

from __future__ import annotations

import threading

import tidings

JOIN, POST, LEAVE = 1, 2, 3  # requests to the room
LINE = 4  # from the room: a line to show


class Room:
    """Runs on its own thread; everything it knows is in its mailbox and its list of members."""

    def __init__(self, engine: tidings.Engine) -> None:
        self.members: list[tuple[str, tidings.Address, tidings.Monitor]] = []  # newest first
        self.mailbox = engine.mailbox("room")
        self.thread = threading.Thread(target=self.run, name="room")
        self.thread.start()

    def run(self) -> None:
        with self.mailbox:
            for message in self.mailbox:
                if message.kind == tidings.Kind.DOWN:
                    self.forget(message.ref)
                elif message.kind == tidings.Kind.REQUEST:
                    self.answer(message)
                if message.tag == LEAVE and not self.members:
                    break

    def answer(self, request: tidings.Message) -> None:
        who = request.sender
        name = next((name for name, address, _ in self.members if address == who), None)
        if who is None:
            request.reply_error(1, b"say who you are")
        elif request.tag == JOIN and name is None:
            self.join(request.data.decode(), who)
            request.reply()
        elif name is None:
            request.reply_error(1, b"you are not in the room")
        elif request.tag == POST:
            self.tell(name + ": " + request.data.decode(), besides=who)
            request.reply()
        elif request.tag == LEAVE:
            self.forget(next(monitor.id for _, address, monitor in self.members if address == who))
            request.reply()
        else:
            request.reply_error(2, b"join once, post, or leave")

    def join(self, name: str, who: tidings.Address) -> None:
        self.tell(f"{name} has joined the room")
        self.members.insert(0, (name, who, self.mailbox.monitor(who)))

    def forget(self, monitor: int) -> None:
        """A member left, or its mailbox is DOWN."""
        gone = [member for member in self.members if member[2].id == monitor]
        for member in gone:
            self.members.remove(member)
            member[2].demonitor(flush=True)
            self.tell(f"{member[0]} has left the room")

    def tell(self, text: str, besides: tidings.Address | None = None) -> None:
        for _, address, _ in self.members:
            if address == besides:
                continue
            try:
                address.send(text.encode(), LINE, sender=self.mailbox)
            except tidings.TidingsError:
                pass  # full, or just ended: its own trouble, or its DOWN is on the way


class Person:
    """Somebody with a mailbox, who talks to the room by name."""

    def __init__(self, engine: tidings.Engine, name: str) -> None:
        self.engine = engine
        self.name = name
        self.mailbox = engine.mailbox()

    def ask(self, tag: int, text: str = "") -> None:
        """A request to the room. Its reply is picked out by its ref; lines in front of it stay in the queue."""
        room = self.engine.whereis("room")
        if room is None:
            raise SystemExit("there is no room")
        call = self.mailbox.call_start(room, text.encode(), tag, timeout=5)
        reply = self.mailbox.recv_match(ref=call)
        if reply.status:
            print(f"[{self.name}] {reply.data.decode()}")

    def show(self, wait: float = 0) -> None:
        """Prints the line that is there; waits for it where no reply says that it has been sent."""
        try:
            line = self.mailbox.recv_match(wait, tag=LINE)
        except (tidings.AgainError, tidings.TimedOutError):
            return
        print(f"[{self.name}] {line.data.decode()}")


def main() -> None:
    with tidings.Engine() as engine:
        room = Room(engine)
        alice, bob, carol, mallory = (Person(engine, name) for name in ("alice", "bob", "carol", "mallory"))
        present: list[Person] = []  # newest first, as the room tells them

        def everybody(wait: float = 0) -> None:
            for person in present:
                person.show(wait)

        for person in (alice, bob, carol):
            person.ask(JOIN, person.name)
            everybody()
            present.insert(0, person)
        alice.ask(POST, "hello")
        everybody()
        mallory.ask(POST, "let me in")
        everybody()
        bob.ask(LEAVE)
        present.remove(bob)
        everybody()
        carol.mailbox.kill()
        present.remove(carol)
        everybody(wait=5)  # nobody asked for this: the room sees the DOWN
        alice.ask(LEAVE)
        room.thread.join(timeout=5)
        if room.thread.is_alive():
            raise SystemExit("the room is not empty")
        print("the room is empty")


if __name__ == "__main__":
    main()
