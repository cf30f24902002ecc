"""Interface of a program's thread stopped at a system call, which each engine's thread implements."""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from mmio.linux.seccomp import WINDOW
from mmio.program.process import Process
from mmio.program.syscall_pointers import Buffer
from mmio.space.initiator import Initiator

BUFFERS_END: Final = WINDOW.start - (1 << 32)
"""Where pagetrap's buffers in a program end when there is room: below the window of trapped mappings, so that a length
which is valid there is valid here."""

_LEAST_BUFFER: Final = 1 << 16


def buffer_length(size: int) -> int:
    """Return how long a buffer of at least `size` bytes is made, so that few are made anew."""
    return max(_LEAST_BUFFER, 1 << (size - 1).bit_length())


class Call(NamedTuple):
    """A system call a thread is about to make. `bits` (64 or 32) is the table that `number` is from."""

    number: int
    arguments: tuple[int, ...]
    bits: int


class StoppedThread(Protocol):
    """A thread of a program, stopped where it enters or leaves a system call.

    Attributes:
        on_exit: called where the system call returns; None when nothing is left to do there.
        done: the bytes that earlier parts of the call have transferred, see `call_again`.
        found: the buffers of that call.
    """

    on_exit: Callable[[], None] | None
    done: int
    found: dict[int, Buffer]

    @property
    def pid(self) -> int:
        """The TID."""

    @property
    def group(self) -> int:
        """The PID of its process (thread group), whose memory may be another one's (vfork)."""

    @property
    def process(self) -> Process:
        """The process whose memory it runs in."""

    @property
    def bus(self) -> Initiator:
        """Its bus: devices and memory of the program."""

    @property
    def call_address(self) -> int:
        """The address of the system call instruction."""

    @property
    def call_result(self) -> int:
        """The result of the call that is returning, signed."""

    def buffer(self, size: int, bits: int = 64) -> int:
        """Return the address of at least `size` bytes in the program's memory, used until the call returns.

        It begins at a page, and a call of `bits` bits can be given it.
        """

    def map_memory(self, length: int, *, low: bool = False) -> int:
        """Map memory in the program, as long as it is traced; return the address, which is below 2 GiB if `low`."""

    def set_call(self, number: int, arguments: dict[int, int], bits: int) -> None:
        """Make another call instead: this number, and these arguments by index, the others as they are."""

    def restore_call(self, result: int | None = None) -> None:
        """Put the program's own call back where the other one returns, with `result` as its result if given."""

    def answer_call(self, result: int) -> None:
        """Skip the call; it returns `result`."""

    def call_again(self, call: Call, done: int) -> None:
        """Repeat the program's call from where it returns, for the rest of a transfer.

        When a signal comes first, the call has returned `done`.
        """

    def make_call(self, number: int, *arguments: int) -> int:
        """Make a system call in the thread's name; return its result. Raises OSError."""
