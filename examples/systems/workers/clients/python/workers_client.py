"""A client of the daemon, for Python: nothing but the standard library.

    with workers_client.connect("tmp/nodesockd.ipc") as client:
        client.send_app_message("hello", {"a": 1}, workers="0-1")
        for reply in client.send_app_request("echo", {"n": 1}):
            print(reply.id, reply.pid, reply.data)

A client does one thing at a time, and belongs to one thread.
"""

from __future__ import annotations

import contextlib
import json
import socket
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, NamedTuple

__all__ = ["Client", "IpcClosedError", "IpcConnectError", "IpcError", "Reply", "RequestError", "connect"]

PATIENCE = 30.0  # seconds without a word of the daemon
LARGEST = 32 * 2**20  # bytes of a frame


class IpcError(Exception):
    """Whatever goes wrong between a client and the daemon."""


class IpcConnectError(IpcError):
    """Nobody listens there."""


class IpcClosedError(IpcError):
    """The connection has ended."""


class RequestError(IpcError):
    """What the daemon says when it cannot do what it is asked; `errors` are its words."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class Reply(NamedTuple):
    """What a worker replies; `errors` where it fails."""

    id: str
    pid: int
    data: Any = None
    errors: tuple[str, ...] = ()


def connect(path: str, timeout: float | None = PATIENCE) -> Client:
    """A client of the daemon whose socket this is. Waits `timeout` seconds at most for each word of it, then raises TimeoutError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        raise IpcConnectError(f"No daemon listens at {path}: {error}") from error
    return Client(connection)


class Client:
    """See `connect`."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._lines = connection.makefile("rb")
        self._asked = ""  # the request whose replies are read now

    def send_app_message(self, message: str, data: Mapping[str, Any] | None = None, workers: str | None = None) -> None:
        """An event "message" in workers: in all that are in service, or in those that `workers` selects."""
        self.call("send-app-msg", message=message, data=data, workers=workers)

    def send_app_request(self, request: str, data: Mapping[str, Any] | None = None, workers: str | None = None) -> Iterator[Reply]:
        """The replies of workers, as they come. To leave the iterator, or to ask for something else, gives the rest up."""
        for reply in self._replies(self._send("send-app-req", request=request, data=data, workers=workers)):
            yield Reply(reply["id"], reply["pid"], reply.get("data"), tuple(reply.get("errors", ())))

    def get_status(self) -> dict[str, Any]:
        return self.call("status")  # type: ignore[no-any-return]

    def get_config(self) -> dict[str, Any]:
        return self.call("config")  # type: ignore[no-any-return]

    def start_workers(self, suspended: bool | None = None, max_attempts: int | None = None) -> None:
        self.call("start-workers", suspended=suspended, maxAttempts=max_attempts)

    def restart_workers(self, suspended: bool | None = None, max_attempts: int | None = None) -> None:
        self.call("restart-workers", suspended=suspended, maxAttempts=max_attempts)

    def resume_workers(self) -> None:
        self.call("resume-workers")

    def stop_workers(self) -> None:
        self.call("stop-workers")

    def set_worker_count(self, count: int) -> None:
        self.call("set-worker-count", count=count)

    def set_standby_count(self, count: int) -> None:
        self.call("set-standby-count", count=count)

    def reload(self) -> None:
        self.call("reload")

    def call(self, type: str, **data: Any) -> Any:
        """Any other request to the daemon; what it answers."""
        result = None
        for result in self._replies(self._send(type, **data)):
            pass
        return result

    def terminate_daemon(self) -> None:
        self.call("terminate")

    def terminate(self) -> None:
        """Ends this client. The daemon goes on."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.terminate()

    def _send(self, type: str, **data: Any) -> str:
        self._asked = str(uuid.uuid4())
        frame: dict[str, Any] = {"type": type, "id": self._asked, "streams": True}
        given = {name: value for name, value in data.items() if value is not None}
        if given:
            frame["data"] = given
        try:
            self._socket.sendall(json.dumps(frame, allow_nan=False).encode() + b"\n")
        except TimeoutError:
            raise
        except OSError as error:
            raise IpcClosedError(f"The connection to the daemon has ended: {error}") from error
        return self._asked

    def _replies(self, asked: str) -> Iterator[Any]:
        """What the replies to a request bring, up to its end, or to the next request."""
        try:
            while asked == self._asked:
                frame = self._read()
                if frame.get("type") != "reply" or frame.get("requestId") != asked:
                    continue  # of a request that was given up
                if "errors" in frame or frame.get("done"):
                    self._asked = ""
                if "errors" in frame:
                    raise RequestError(frame["errors"])
                if "data" in frame:
                    yield frame["data"]
        finally:
            if asked == self._asked:  # it was left
                with contextlib.suppress(IpcError, TimeoutError):
                    self._send("cancel-req", requestId=asked)

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline(LARGEST)
        except TimeoutError:
            self.terminate()  # half a line may have been read
            raise
        except (OSError, ValueError) as error:
            raise IpcClosedError(f"The connection to the daemon has ended: {error}") from error
        if not line.endswith(b"\n"):
            raise IpcClosedError("The connection to the daemon has ended" if len(line) < LARGEST else "The daemon's frame is too long")
        return json.loads(line)  # type: ignore[no-any-return]
