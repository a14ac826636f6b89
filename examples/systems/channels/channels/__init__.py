"""Sente's channel sockets, served by the mailboxes of tidings."""

from .rules import Event, Received
from .server import Options, Server

__all__ = ["Event", "Options", "Received", "Server"]
