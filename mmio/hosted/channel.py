"""Messages between a hosted program's child and the process that owns the devices.

A message is a JSON list, sent as one packet of a SOCK_SEQPACKET socket pair (unix(7)). So it arrives whole or not at
all, even if a child is killed while it sends. When one process ends, the other reads the end of the stream.
"""

import array
import json
import os
import socket
import struct
from contextlib import suppress
from typing import Any, Final

from mmio.linux.own_descriptors import kept

Message = list[Any]

_MAX_MESSAGE: Final = 1 << 18
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred: PID, UID, GID
_ANCILLARY_SIZE: Final = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(4)


class ChannelClosed(Exception):
    """The other side of a channel is gone."""


class Channel:
    """One end of a socket pair, with a descriptor out of the program's reach (`own_descriptors.py`).

    Attributes:
        number: the descriptor.
        peer: the PID of the process at the other end, in this process's PID namespace; 0 before its first message.
    """

    def __init__(self, end: socket.socket) -> None:
        number = end.detach()
        try:
            self._socket = socket.socket(fileno=kept(number))
        except OSError:
            os.close(number)
            raise
        self._buffer = bytearray(_MAX_MESSAGE)
        self.number = self._socket.fileno()
        self.peer = 0

    def request_credentials(self) -> None:
        """Receive the sender's PID with each message (SO_PASSCRED): in a namespace of its own the child has another."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def send(self, message: Message, descriptor: int | None = None) -> None:
        """Send a message, and a descriptor with it. Raises ChannelClosed."""
        data = json.dumps(message).encode()
        passed = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
        try:
            self._socket.sendmsg([data], passed, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            raise ChannelClosed from None

    def receive(self) -> tuple[Message, socket.socket | None]:
        """Wait for a message; return it, and the socket that was passed with it, if any. Raises ChannelClosed."""
        try:
            length, passed, _, _ = self._socket.recvmsg_into([self._buffer], _ANCILLARY_SIZE, socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            length, passed = 0, []
        end = None
        for level, kind, data in passed:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                end = socket.socket(fileno=int.from_bytes(data[:4], "little"))
            elif level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS and not self.peer:
                self.peer = _CREDENTIALS.unpack(data[: _CREDENTIALS.size])[0]
        if not length:
            raise ChannelClosed
        message: Message = json.loads(self._buffer[:length])
        return message, end

    def shut_down(self) -> None:
        """Shut both directions down; a `receive` that is waiting at either end raises ChannelClosed."""
        with suppress(OSError):  # the other end has done so
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close this end."""
        self._socket.close()


def channel_pair() -> tuple[Channel, Channel]:
    """Return both ends of a new channel. Raises OSError."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    first = Channel(one)
    try:
        return first, Channel(other)
    except OSError:
        first.close()
        other.close()
        raise
