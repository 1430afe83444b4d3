"""Serve the project on this machine until Ctrl-C."""

from __future__ import annotations

import socket
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import closing

from django.core.management import call_command
from django.core.management.commands import runserver

HOST = "127.0.0.1"


class PortError(Exception):
    """A port cannot be had; the message says why."""


def port_number(text: str) -> int:
    """Return the number of a port, as an argument of a command."""
    if not (text.isdecimal() and 0 < int(text) < 2**16):
        raise ArgumentTypeError(f"{text!r} is no port; those are 1 to {2**16 - 1}.")
    return int(text)


def check_port(port: int) -> None:
    """Raise PortError when nothing can be served at the port."""
    with closing(socket.socket()) as probe:
        # As the server will: one that has just gone is not in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except PermissionError:
            raise PortError(f"Port {port} is reserved for the administrator.") from None
        except OSError:
            raise PortError(f"Port {port} is in use.") from None


class Server(runserver.Command):
    """Django's server, with an announcement of its own once it can be reached."""

    def __init__(self, announce: Callable[[], None]) -> None:
        super().__init__()
        self.announce = announce

    def on_bind(self, server_port: int) -> None:
        self.announce()


def serve(port: int, announce: Callable[[], None]) -> None:
    """Serve the project until Ctrl-C.

    :param announce: called once the server can be reached.
    """
    call_command(Server(announce), f"{HOST}:{port}", use_reloader=False, skip_checks=True)
