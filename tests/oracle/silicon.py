"""The real CPU as an engine: cases run natively in a child process.

Setting up a case is two slice assignments to memory shared with the child and one exchange of registers. Nothing an
instruction can do survives it, because the child has no other memory and all registers are set again.

One instruction is run in one of two ways. What falls through to the next instruction runs freely onto a breakpoint
(`int3`) put after it: a REP instruction then does all its iterations in one go, and there is no trap flag for PUSHF to
show. What may branch is single-stepped, since where it lands is not known; a branch has no iterations, and the
trap arrives before anything at the target is fetched. System calls are stopped at their entry.

16-bit and 32-bit code run in compatibility mode. Segments with a base are descriptors in the child's local
descriptor table; 16-bit code is thus *protected mode* code whose segments have the bases of real mode. That differs
from real mode in the values of segment registers (not reported) and in stores through CS, which fault here.
"""

from __future__ import annotations

import functools
import mmap
import os
import signal
import sys
import time
from types import TracebackType

from iced_x86 import Code, Decoder, FlowControl, Instruction, Mnemonic

from decode.vendors import OPTIONS
from tests.oracle.case import (
    ALL_VECTOR_BITS,
    GENERAL,
    PAGE,
    CannotRun,
    Case,
    Outcome,
    Signal,
    VectorState,
    Window,
)
from tests.oracle.cell import BLOCK, CODE_SEGMENT, DATA_SEGMENTS, WINDOW_LIMIT, Cell, selector
from tests.oracle.ptrace import (
    CODE_64,
    DATA_64,
    NO_SYSCALL,
    REGISTER_INDEX,
    REGISTER_ORDER,
    RUN,
    STEP,
    SYSCALL_STOP,
    TraceeDied,
)
from tests.oracle.xstate import Layout

_BREAKPOINT = b"\xcc"
_CODE_32 = 0x23  # __USER32_CS
_RESUME_FLAG = 1 << 16  # set by the CPU in the flags image of a fault: it tells of the fault, not of the instruction
_TRAP_FLAG = 1 << 8
_ID_FLAG = 1 << 21  # ptrace cannot change it, so a child in which POPF has set it is of no further use
_FAULTS = (signal.SIGTRAP, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
_STRAIGHT = (FlowControl.NEXT, FlowControl.INTERRUPT, FlowControl.EXCEPTION)
_AFTER = tuple(REGISTER_INDEX[name] for name in GENERAL)
_RIP, _RFLAGS = REGISTER_INDEX["rip"], REGISTER_INDEX["rflags"]
_RSP = GENERAL.index("rsp")
_FS_BASE, _GS_BASE = REGISTER_INDEX["fs_base"], REGISTER_INDEX["gs_base"]


@functools.lru_cache(maxsize=4096)
def falls_through(code: bytes, bits: int) -> bool:
    """Whether execution continues after the instruction, or, for invalid bytes, would if they were valid."""
    readings = [Decoder(bits, code, options=options).decode() for options in OPTIONS.values()]  # makers' CPUs differ
    return all(_falls_through(instruction, code) for instruction in readings)


def _falls_through(instruction: Instruction, code: bytes) -> bool:
    if instruction.flow_control == FlowControl.XBEGIN_XABORT_XEND:
        raise CannotRun(f"a transaction does not survive being traced: {code.hex()}")
    if instruction.op_code().is_input_output:
        raise CannotRun(f"ports are closed to user programs: {code.hex()}")
    if instruction.mnemonic == Mnemonic.MONITORX:  # KVM intercepts it and checks no address
        raise CannotRun(f"a hypervisor does MONITORX for user programs: {code.hex()}")
    if instruction.mnemonic == Mnemonic.SMSW:  # arch/x86/kernel/umip.c
        raise CannotRun(f"the kernel does SMSW for user programs: {code.hex()}")
    return instruction.code == Code.INVALID or instruction.flow_control in _STRAIGHT


@functools.lru_cache(maxsize=64)
def _selectors(bits: int, with_bases: bool) -> dict[str, int]:
    if bits == 64:
        return {"cs": CODE_64, "ss": DATA_64, "ds": 0, "es": 0, "fs": 0, "gs": 0}
    if with_bases:
        segments = {name: selector(entry) for name, entry in DATA_SEGMENTS.items()}
        return {"cs": selector(CODE_SEGMENT), **segments}
    return {"cs": _CODE_32, **dict.fromkeys(DATA_SEGMENTS, DATA_64)}


class SiliconEngine:
    """Runs cases on this machine's CPU, for the thread that made it; to be closed at the end."""

    name = "silicon"

    def __init__(self) -> None:
        self._fd = os.memfd_create("oracle")
        os.ftruncate(self._fd, BLOCK + WINDOW_LIMIT)
        shared = memoryview(mmap.mmap(self._fd, BLOCK + WINDOW_LIMIT))
        self._code, self._memory = shared[:BLOCK], shared[BLOCK:]
        self._cell: Cell | None = None
        self._layout: Layout | None = None

    def __enter__(self) -> SiliconEngine:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child and give up the shared memory."""
        self._drop_child()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @property
    def child(self) -> int | None:
        """The process id of the child, if there is one now."""
        return None if self._cell is None else self._cell.tracee.pid

    def _drop_child(self) -> None:
        """End the child; the next case starts another."""
        if self._cell is not None:
            self._cell.close()
            self._cell = None

    def cpuid(self, leaf: int, subleaf: int = 0) -> tuple[int, int, int, int]:
        """Return EAX, EBX, ECX and EDX of the CPUID instruction."""
        eax, ecx, edx, ebx = self.run(Case(b"\x0f\xa2", regs={"rax": leaf, "rcx": subleaf})).regs[:4]
        return eax, ebx, ecx, edx

    def run(self, case: Case) -> Outcome:
        """Execute the case's one instruction on the CPU.

        Raises:
            CannotRun: The case asks for a state or a place a process cannot have, makes a system call, does not end,
                or the child was lost over it.
        """
        _check(case)
        straight = falls_through(case.code, case.bits)
        if case.vectors is not None and self._layout is None:
            self._layout = Layout.of_host(self.cpuid)
        try:
            return self._run(case, straight)
        except (TraceeDied, OSError) as error:
            self._drop_child()
            raise CannotRun(f"{error}, running {case!r}") from error
        except BaseException:  # Ctrl-C, a hang: the child may still be running
            self._drop_child()
            raise

    def _run(self, case: Case, straight: bool) -> Outcome:
        tracee = self._set_up(case).tracee
        contents = case.window.contents
        buffer = None
        if case.vectors is not None and self._layout is not None:
            buffer = self._layout.buffer()
            self._layout.pack(case.vectors, buffer)
            tracee.store_xstate(buffer)
        stop = self._until_stopped(case, RUN if straight else STEP)
        tracee.load()
        words = tuple(tracee.registers)
        rip = words[_RIP]
        fault = None
        end = case.ip + len(case.code)
        if straight and (
            (stop == signal.SIGTRAP and rip == end + len(_BREAKPOINT))
            or (stop == signal.SIGSEGV and rip == end and case.code_address + len(case.code) & BLOCK - 1 == 0)
        ):
            rip = end
        elif straight or stop != signal.SIGTRAP:
            fault = Signal(stop, *tracee.signal_origin())
        vectors: VectorState | None = None
        if buffer is not None and case.vectors is not None and self._layout is not None:
            tracee.load_xstate(buffer)
            vectors = self._layout.unpack(buffer, case.vectors)
        if words[_RFLAGS] & _ID_FLAG:
            self._drop_child()
        bases = case.segment_bases()
        if case.bits == 64:
            bases[4:] = words[_FS_BASE], words[_GS_BASE]
        return Outcome(
            engine=self.name,
            regs=_general(words, case.bits),
            rip=rip,
            rflags=words[_RFLAGS] & ~_RESUME_FLAG,
            bases=tuple(bases),
            memory=bytes(self._memory[: len(contents)]),
            vectors=vectors,
            fault=fault,
            vector_bits=ALL_VECTOR_BITS if self._layout is None else self._layout.bits,
        )

    def _set_up(self, case: Case) -> Cell:
        """Return the child with memory, segments and registers as `case` wants them."""
        address = case.code_address
        if self._cell is None:
            self._cell = Cell(self._fd, self._code)
        cell = self._cell
        cell.place(address & -BLOCK, case.window.base, case.window.pages * PAGE, case.window.absent)
        bases = case.segment_bases()
        # FS and GS too: without FSGSBASE a base that ptrace sets does not outlive a selector that is not null.
        with_bases = case.bits == 16 or (case.bits == 32 and any(bases))
        if with_bases:
            cell.describe(case.bits, bases)
        start = address % BLOCK
        text = (case.code + _BREAKPOINT)[: BLOCK - start]  # at the end of the block an absent page is the breakpoint
        self._code[start : start + len(text)] = text
        self._memory[: case.window.pages * PAGE] = case.window.contents
        values = dict(zip(GENERAL, case.registers(), strict=True))
        values.update(_selectors(case.bits, with_bases))
        values["orig_rax"], values["rip"], values["rflags"] = NO_SYSCALL, case.ip, case.rflags
        values["fs_base"], values["gs_base"] = bases[4:]
        cell.tracee.registers[:] = [values[name] for name in REGISTER_ORDER]
        cell.tracee.store()
        return cell

    def _until_stopped(self, case: Case, request: int) -> int:
        """Let the child go until a fault or a trap; signals from outside are dropped, two clock ticks are a hang."""
        assert self._cell is not None
        ticks = 0
        while (stop := self._cell.tracee.resume(request)) not in _FAULTS:
            if stop == SYSCALL_STOP:
                raise CannotRun(f"a system call, running {case!r}")
            ticks += stop == signal.SIGVTALRM
            if ticks == 2:
                raise CannotRun(f"no end in sight after a second of CPU time, running {case!r}")
        return stop


def _general(words: tuple[int, ...], bits: int) -> tuple[int, ...]:
    """Return the general registers, without what is not the program's in a 16-bit stack segment.

    IRET to one loads only SP, so the kernel returns by way of a stack of its own whose bits 16..31 are those of the
    program's ESP (arch/x86/entry/entry_64.S, espfix64). Bits 32..63 are the kernel's address on AMD CPUs, 0 on Intel's.
    """
    values = [words[index] for index in _AFTER]
    if bits == 16:
        values[_RSP] &= 0xFFFFFFFF
    return tuple(values)


def _check(case: Case) -> None:
    """Refuse what cannot be set up."""
    address, window = case.code_address, case.window
    block = address & -BLOCK
    if case.rflags & _TRAP_FLAG:
        raise CannotRun("the trap flag belongs to the debugger")
    if address + len(case.code) > block + BLOCK:
        raise CannotRun(f"an instruction may not go beyond its {BLOCK:#x}-byte block, running {case!r}")
    if block < window.end + PAGE and window.base < block + BLOCK + PAGE:
        raise CannotRun(f"code and window need an absent page between them, running {case!r}")


def _benchmark(seconds: float = 2.0) -> None:
    """Print how many cases a second this machine does, with and without vector state."""
    kinds = {
        "add rax,rbx": Case(b"\x48\x01\xd8"),
        "rep movsb, 256 bytes": Case(b"\xf3\xa4", regs={"rsi": 0x400000, "rdi": 0x401000, "rcx": 256}),
        "load that faults": Case(b"\x8b\x07", regs={"rdi": 0}),
        "vaddps, with vector state": Case(bytes.fromhex("62f1744858c2"), vectors=VectorState()),
        "16-bit mov ax,[bx+si]": Case(
            b"\x8b\x00",
            bits=16,
            regs={"rbx": 0, "rsi": 0},
            bases={"ds": 0x20000, "cs": 0x10000},
            ip=0x100,
            window=Window(0x20000),
        ),
    }
    with SiliconEngine() as engine:
        for name, case in kinds.items():
            done, start = 0, time.perf_counter()
            while (elapsed := time.perf_counter() - start) < seconds / len(kinds):
                engine.run(case)
                done += 1
            print(f"{name:28} {done / elapsed:9,.0f} cases/s")


if __name__ == "__main__":
    if sys.argv[1:] != ["--benchmark"]:
        sys.exit("usage: python -m tests.oracle.silicon --benchmark")
    _benchmark()
