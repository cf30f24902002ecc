"""Locks in trapped memory: futex(2).

A lock is not a matter of its contents but of its address, and the kernel cannot read its word in a trapped page. So
each word has a *stand-in* in ordinary memory of the process, at which threads wait in its place. It holds a number that
changes with every call that wakes. Who is about to wait is told to expect the present number, after the word itself
has been compared through its device; so a call that wakes between the two is not missed: the kernel finds another
number, and says EAGAIN.

Stand-ins are private to a process: a lock in memory that processes share wakes only threads of the process that the
call is made in. What the kernel itself writes to a lock (FUTEX_WAKE_OP, priority inheritance, robust lists) is
not done.
"""

from typing import Final

from decode import READ
from mmio.linux.libc import PROT_WRITE
from mmio.linux.process_memory import write_memory
from mmio.program.bounce_buffers import bounce
from mmio.program.kernel_access import KernelAccess, gather
from mmio.program.syscall_pointers import Buffer
from mmio.program.thread import Call, StoppedThread

_WAIT, _WAKE, _REQUEUE, _CMP_REQUEUE, _WAIT_BITSET, _WAKE_BITSET = 0, 1, 3, 4, 9, 10  # linux/futex.h
_HELPED: Final = (_WAIT, _WAKE, _REQUEUE, _CMP_REQUEUE, _WAIT_BITSET, _WAKE_BITSET)
_OPERATION: Final = 0x7F
_PRIVATE: Final = 0x80
_WORD: Final = 4
_SIZE: Final = 1 << 16  # bytes of stand-ins: 16,384 words at a time
_INT: Final = 0xFFFFFFFF


class Locks:
    """The stand-ins of one process, and what each of them holds."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._numbers: dict[int, int] = {}
        self._next = self._end = 0

    def entered(self, thread: StoppedThread, name: str, call: Call, access: KernelAccess) -> None:
        """Deal with a futex call before it is made. The kernel says what is wrong with one that is left as it is."""
        word, operation, value, other, expected = *call.arguments[:3], call.arguments[4], call.arguments[5] & _INT
        operation &= _OPERATION
        if operation not in _HELPED:
            return
        changed: dict[int, int] = {}
        waits, requeues = operation in (_WAIT, _WAIT_BITSET), operation in (_REQUEUE, _CMP_REQUEUE)
        if access.is_trapped(word, _WORD):
            if word % _WORD or not access.stretch(word, _WORD).complete:
                return
            found = thread.process.trapped_in(word, word + _WORD)[0]
            if not call.arguments[1] & _PRIVATE and found.is_own and not found.protection & PROT_WRITE:
                return  # which is refused: it will never change
            changed[0] = self._place(thread, word, call.bits)
            if not waits:
                self._advance(thread, changed[0])
            if waits or operation == _CMP_REQUEUE:
                holds = int.from_bytes(gather(thread, word, _WORD, call.bits), "little")
                same = holds == (value & _INT if waits else expected)
                number = self._numbers[changed[0]]
                changed[2 if waits else 5] = number if same else ~number & _INT  # the kernel says EAGAIN, if no other
        if requeues and not other % _WORD and access.is_trapped(other, _WORD) and access.stretch(other, _WORD).complete:
            changed[4] = self._place(thread, other, call.bits)
        until = {3: Buffer(call.arguments[3], 8 if name == "futex" and call.bits == 32 else 16, READ)} if waits else {}
        if not bounce(thread, name, call, access, until, changed) and changed:
            thread.set_call(call.number, changed, call.bits)
            thread.on_exit = thread.restore_call

    def _place(self, thread: StoppedThread, address: int, bits: int) -> int:
        """Return the address of the stand-in of a word. The thread is stopped before a call."""
        found = self._places.get(address)
        if found is None:
            if self._next == self._end:
                self._next = thread.map_memory(_SIZE, low=bits < thread.process.bits)
                self._end = self._next + _SIZE
            found = self._places[address] = self._next
            self._numbers[found] = 0
            self._next += _WORD
        return found

    def _advance(self, thread: StoppedThread, place: int) -> None:
        """Give a stand-in another number."""
        number = self._numbers[place] = self._numbers[place] + 1 & _INT
        write_memory(thread.pid, place, number.to_bytes(_WORD, "little"))
