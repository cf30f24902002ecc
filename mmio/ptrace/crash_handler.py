"""SIGSEGV handler inside an attached tracee that restores page protections when the tracer was killed.

Nothing can be done by a tracer that gets SIGKILL. The kernel lets its programs run on, and the next access to a page
that we made inaccessible is a SIGSEGV without a tracer to answer it. What we have spawned ends with us
(PTRACE_O_EXITKILL); what we have attached to was there before and must stay. So it is given a handler for SIGSEGV,
which gives each mapping the protection the program thinks it has, and lets the access be made again. While there is
a tracer, it runs for faults of the program's own only, and the tracer sees to it that its calls change nothing. These
faults are passed to the program's own handler. While the tracer lives, it answers the program's calls about that
handler.

Out of reach are programs of 32 bits; one that changes its action for SIGSEGV before its first fault without a tracer;
a thread that blocks SIGSEGV, which the kernel does not let handle it; and system calls that are given such a page as
a buffer before any instruction touches one: they find EFAULT.

A thread that has ended an out-of-line copy which stores is sent back to the original instruction: the tracer was to
hand the bytes to the device, and may have done so.

The same page has the code by which a thread makes a store itself that its tracer was about to make for it when it was
killed, see `journal.py`.

The listing is position-independent; one page on there is a table: where the program's handler is, an unused word, then
start, length and protection of each mapping. A length of 0 ends it. At the very end of the table are the program's
action for SIGSEGV, for a tracer that comes after a killed one, and four words for a store: rax, rdx, rdi and rip as
they are after the instruction.
"""

import os
import struct
from collections.abc import Iterable
from functools import cache
from typing import Final

from attrs import evolve

from mmio.linux import listing
from mmio.linux.libc import PAGE, PROT_EXEC, PROT_READ
from mmio.linux.process_memory import read_memory, write_memory
from mmio.linux.syscall_table import NUMBERS
from mmio.program.memory import NothingMapped
from mmio.program.process import Trapped
from mmio.program.thread import Call, StoppedThread
from mmio.ptrace.signal_actions import LAYOUTS, MASK_SIZE, OWN, Action, changed

_SIGSEGV: Final = 11
_ACTION: Final = LAYOUTS[64]
_SIGINFO: Final = 4
_RESTORER: Final = 0x04000000
_ON_STACK: Final = 0x08000000
_ENTRY: Final = struct.Struct("<3Q")
_TABLE: Final = 4 * PAGE
SIZE: Final = PAGE + _TABLE
"""Bytes that the handler and its table take."""
_SCRATCH: Final = SIZE - _ACTION.size
_STORE: Final = struct.Struct("<4Q")  # rax, rdx, rdi, rip
_STORED: Final = _SCRATCH - _STORE.size
_FIRST: Final = PAGE + 16
_ASKED: Final = _STORED - _ACTION.size
_NOT_MAPPED: Final = 0x100
"""In place of a protection: the program has nothing mapped there. mprotect refuses it, so that the pages stay as they
are, and no bit of it lets an access be made again."""
_MOST: Final = (_ASKED - _FIRST) // _ENTRY.size - 1
"""Mappings there is room for; those beyond are not undone."""

LISTING: Final = """
handler: edi signal number, rsi siginfo, rdx ucontext.
    4989f4                   mov r12,rsi
    4989d5                   mov r13,rdx
    4c8d0df30f0000           lea r9,[1000h]                    table
give:
    498b7910                 mov rdi,[r9+10h]                  start, length, protection
    498b7118                 mov rsi,[r9+18h]
    498b5120                 mov rdx,[r9+20h]
    4885f6                   test rsi,rsi
    740d                     je short 000000000000002Bh
    b80a000000               mov eax,0Ah                       mprotect
    0f05                     syscall
    4983c118                 add r9,18h
    ebe2                     jmp short 000000000000000Dh
given:
    bf0b000000               mov edi,0Bh                       SIGSEGV
    4c89e6                   mov rsi,r12
    4c89ea                   mov rdx,r13
    4c8d0dc30f0000           lea r9,[1000h]                    table
    4c8b4610                 mov r8,[rsi+10h]                  si_addr
    8b4608                   mov eax,[rsi+8]                   si_code
    3d80000000               cmp eax,80h                       SI_KERNEL
    743e                     je short 0000000000000089h
    83f802                   cmp eax,2                         SEGV_ACCERR
    755c                     jne short 00000000000000ACh
    4c8b92c0000000           mov r10,[rdx+0C0h]                the page fault's error code
    31c9                     xor ecx,ecx
    ffc1                     inc ecx                           PROT_READ
    41f6c202                 test r10b,2                       a write
    7402                     je short 0000000000000063h
    ffc1                     inc ecx                           PROT_WRITE
find:
    4983791800               cmp qword ptr [r9+18h],0          the length, 0 at the end
    7442                     je short 00000000000000ACh
    4d89c3                   mov r11,r8
    4d2b5910                 sub r11,[r9+10h]
    4d3b5918                 cmp r11,[r9+18h]
    7206                     jb short 000000000000007Dh
    4983c118                 add r9,18h
    ebe6                     jmp short 0000000000000063h
found:
    41844920                 test [r9+20h],cl                  may the program do that?
    0f8583000000             jne 000000000000010Ah
    eb23                     jmp short 00000000000000ACh
protection: an out-of-line copy that stores has ended in HLT, or the program has a fault of its own.
    488b82a8000000           mov rax,[rdx+0A8h]                rip
    48b96f726967696e616c     mov rcx,6C616E696769726Fh         MARK of the slot
    48394801                 cmp [rax+1],rcx
    750c                     jne short 00000000000000ACh
    488b4009                 mov rax,[rax+9]                   the original instruction
    488982a8000000           mov [rdx+0A8h],rax
    c3                       ret
pass:
    488b054d0f0000           mov rax,[1000h]                   its handler
    4883f801                 cmp rax,1
    7752                     ja short 000000000000010Bh
    7206                     jb short 00000000000000C1h
    837e0800                 cmp dword ptr [rsi+8],0           sent by somebody, and ignored
    7e49                     jle short 000000000000010Ah
default:
    56                       push rsi
    6a00                     push 0
    6a00                     push 0
    6a00                     push 0
    6a00                     push 0
    bf0b000000               mov edi,0Bh                       SIGSEGV
    4889e6                   mov rsi,rsp
    31d2                     xor edx,edx
    41ba08000000             mov r10d,8
    b80d000000               mov eax,0Dh                       rt_sigaction to SIG_DFL
    0f05                     syscall
    4883c420                 add rsp,20h
    5e                       pop rsi
    837e0800                 cmp dword ptr [rsi+8],0           a fault will come again
    7f1e                     jg short 000000000000010Ah
    b827000000               mov eax,27h                       getpid
    0f05                     syscall
    89c7                     mov edi,eax
    b8ba000000               mov eax,0BAh                      gettid
    0f05                     syscall
    89c6                     mov esi,eax
    ba0b000000               mov edx,0Bh
    b8ea000000               mov eax,0EAh                      tgkill
    0f05                     syscall
done:
    c3                       ret
theirs:
    ffe0                     jmp rax
restore: where it returns to.
    b80f000000               mov eax,0Fh                       rt_sigreturn
    0f05                     syscall
store 1: rdi the address, rax the value; all other registers are as after the instruction.
    8807                     mov [rdi],al
    eb15                     jmp short 000000000000012Dh
store 2:
    668907                   mov [rdi],ax
    eb10                     jmp short 000000000000012Dh
store 4:
    8907                     mov [rdi],eax
    eb0c                     jmp short 000000000000012Dh
store 8:
    488907                   mov [rdi],rax
    eb07                     jmp short 000000000000012Dh
store 16:
    488907                   mov [rdi],rax
    48895708                 mov [rdi+8],rdx
go on:
    488b058c4e0000           mov rax,[4FC0h]
    488b158d4e0000           mov rdx,[4FC8h]
    488b3d8e4e0000           mov rdi,[4FD0h]
    ff25904e0000             jmp qword ptr [4FD8h]
"""


STORES: Final = (1, 2, 4, 8, 16)
"""Widths in bytes of the stores there is code for."""


@cache
def _code() -> tuple[bytes, dict[str, int]]:
    """Return the machine code and the places of its labels."""
    labels, lines = listing.read(LISTING)
    return b"".join(line.code for line in lines), labels


class CrashHandler:
    """The handler in one process.

    Args:
        memory: a descriptor of the process's /proc/PID/mem.
        start: where our pages are.
        action: what the program wants done about SIGSEGV, as the kernel has it.
    """

    def __init__(self, memory: int, start: int, action: bytes) -> None:
        self._memory = memory
        self._start = start
        self.action = action

    def forked(self, memory: int) -> "CrashHandler":
        """Return that of a child, which has the same in memory of its own."""
        return CrashHandler(memory, self._start, self.action)

    def note(self, trapped: Iterable[Trapped]) -> None:
        """Write down what is inaccessible now, and what it should be."""
        entries = [_ENTRY.pack(piece.start, piece.end - piece.start, _protection(piece)) for piece in trapped]
        os.pwrite(self._memory, b"".join(entries[:_MOST]) + bytes(_ENTRY.size), self._start + _FIRST)

    def store_code(self, width: int) -> int:
        """Return where a thread stores `width` bytes itself, one of `STORES`, and continues after the instruction."""
        return self._start + _code()[1][f"store {width}"]

    def set_registers_after(self, rax: int, rdx: int, rdi: int, rip: int) -> None:
        """Set the registers that `store_code` gives back, as they are after the instruction."""
        os.pwrite(self._memory, _STORE.pack(rax, rdx, rdi, rip), self._start + _STORED)

    def entered(self, thread: StoppedThread, call: Call) -> None:
        """Answer a call of the program's about its action for SIGSEGV, before it is made."""
        number, new, old = call.arguments[:3]
        action = read_memory(thread.pid, new, _ACTION.size) if new else b""
        if number != _SIGSEGV or len(action) not in (0, _ACTION.size) or thread.group != thread.process.pid:
            return  # the last: a child of vfork has our memory, but actions of its own
        if self.is_at(thread.call_address):
            return
        place = 0
        if action:
            place = thread.buffer(_ACTION.size)
            write_memory(thread.pid, place, self._ours(action))
        thread.set_call(call.number, {1: place, 2: 0}, call.bits)

        def returned() -> None:
            failed = thread.call_result != 0
            thread.restore_call()
            if failed:
                return
            if old:
                write_memory(thread.pid, old, self.action)
            if action:
                self._become(action)

        thread.on_exit = returned

    @property
    def pages(self) -> tuple[int, int]:
        """Address and length of the memory it takes."""
        return self._start, SIZE

    def is_at(self, address: int) -> bool:
        """Return whether an address is in its code."""
        return self._start <= address < self._start + PAGE

    @property
    def said(self) -> Action:
        """The program's own action for SIGSEGV; whatever it is, this handler is called."""
        return evolve(changed(_SIGSEGV, self.action)[1], handled=True)

    def remove(self, thread: StoppedThread) -> None:
        """Restore the program's own action for SIGSEGV. The thread is stopped."""
        self._set(thread, self.action)

    def install(self, thread: StoppedThread) -> None:
        """Install the handler in the process. The thread is stopped."""
        self._become(self.action)
        self._set(thread, self._ours(self.action))

    def _become(self, action: bytes) -> None:
        self.action = action
        os.pwrite(self._memory, action[:8], self._start + PAGE)
        os.pwrite(self._memory, action, self._start + _ASKED)

    def _ours(self, action: bytes) -> bytes:
        """Return an action that calls our handler under the circumstances of the program's own."""
        handler, flags, restorer, mask = _ACTION.unpack(changed(_SIGSEGV, action)[0])
        if handler <= OWN:
            flags, restorer, mask = _ON_STACK, 0, 0
        if not flags & _RESTORER:
            restorer = self._start + _code()[1]["restore"]
        return _ACTION.pack(self._start, flags | _SIGINFO | _RESTORER, restorer, mask)

    def _set(self, thread: StoppedThread, action: bytes) -> None:
        os.pwrite(self._memory, action, self._start + _SCRATCH)
        thread.make_call(NUMBERS[64]["rt_sigaction"], _SIGSEGV, self._start + _SCRATCH, 0, MASK_SIZE)


def _protection(piece: Trapped) -> int:
    return _NOT_MAPPED if isinstance(piece.source, NothingMapped) else piece.protection


def install(thread: StoppedThread, place: int) -> CrashHandler:
    """Install the handler in a thread's process, at `SIZE` bytes mapped for it; return it. The thread is stopped."""
    memory = thread.process.own_memory
    os.pwrite(memory, _code()[0], place)
    thread.make_call(NUMBERS[64]["mprotect"], place, PAGE, PROT_READ | PROT_EXEC)
    thread.make_call(NUMBERS[64]["rt_sigaction"], _SIGSEGV, 0, place + _SCRATCH, MASK_SIZE)
    action = os.pread(memory, _ACTION.size, place + _SCRATCH)
    handler = CrashHandler(memory, place, _replaced(thread, action))
    handler.install(thread)
    return handler


def _replaced(thread: StoppedThread, action: bytes) -> bytes:
    """Return a program's own action for SIGSEGV: not that of a killed tracer, whose mappings are given back."""
    memory, code = thread.process.own_memory, _code()[0]
    earlier = _ACTION.unpack(action)[0]
    try:
        if earlier <= OWN or os.pread(memory, len(code), earlier) != code:
            return action
    except OSError:  # there is nothing
        return action
    for start, length, protection in _ENTRY.iter_unpack(os.pread(memory, _MOST * _ENTRY.size, earlier + _FIRST)):
        if not length:
            break
        if protection == _NOT_MAPPED:
            thread.make_call(NUMBERS[64]["munmap"], start, length)
        else:
            thread.make_call(NUMBERS[64]["mprotect"], start, length, protection)
    return os.pread(memory, _ACTION.size, earlier + _ASKED)
