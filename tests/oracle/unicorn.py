"""Unicorn as an engine: a second opinion on results, where it has one.

It runs with all privileges, knows no AVX, and sees 16-bit code as real mode. What faults says only that it faults and
where. So it can confirm a result; whether something may be done at all, silicon decides.
"""

from __future__ import annotations

import signal
from typing import Any

import attrs
import unicorn
from iced_x86 import Decoder, Register
from unicorn import x86_const as x86

from tests.oracle.case import GENERAL, PAGE, SEGMENTS, CannotRun, Case, Outcome, Signal
from tests.oracle.cell import BLOCK
from tests.oracle.silicon import falls_through

_api: Any = unicorn  # it has no types

_SI_KERNEL, _SEGV_MAPERR, _FPE_INTDIV = 0x80, 1, 1
_MODES: dict[int, int] = {64: _api.UC_MODE_64, 32: _api.UC_MODE_32, 16: _api.UC_MODE_16}
_NARROW = {name: name.upper().replace("R", "E", 1) for name in GENERAL[:8]}
_XMM = [getattr(x86, f"UC_X86_REG_XMM{index}") for index in range(16)]
_MSR_BASES = {"fs": x86.UC_X86_REG_FS_BASE, "gs": x86.UC_X86_REG_GS_BASE}
_LIMIT = 100_000  # instructions, REP iterations among them: a case needs far fewer


class UnicornEngine:
    """Runs cases on Unicorn. Of vector state it has XMM0 to XMM15 and MXCSR; the rest comes back as it was."""

    name = "unicorn"

    def __init__(self) -> None:
        self._machines: dict[int, Any] = {bits: _api.Uc(_api.UC_ARCH_X86, mode) for bits, mode in _MODES.items()}

    def run(self, case: Case) -> Outcome:
        """Execute the case's one instruction on Unicorn.

        Raises:
            CannotRun: Unicorn does not know the instruction, or cannot have the state the case asks for.
        """
        machine = self._machines[case.bits]
        selectors = _selectors(case)
        for begin, end, _ in list(machine.mem_regions()):
            machine.mem_unmap(begin, end - begin + 1)
        machine.mem_map(case.code_address & -BLOCK, BLOCK, _api.UC_PROT_READ | _api.UC_PROT_EXEC)
        machine.mem_map(case.window.base, case.window.pages * PAGE, _api.UC_PROT_READ | _api.UC_PROT_WRITE)
        machine.mem_write(case.code_address, case.code)
        machine.mem_write(case.window.base, case.window.contents)
        if case.window.absent:
            raise CannotRun("what absent pages held could not be read back")
        machine.ctl_remove_cache(case.code_address, case.code_address + 16)
        registers = _registers(case.bits)
        for register, value in zip(registers, case.registers(), strict=False):
            machine.reg_write(register, value)
        for register, value in selectors.items():
            machine.reg_write(register, value)
        machine.reg_write(x86.UC_X86_REG_EFLAGS, case.rflags)
        if case.vectors is not None:
            for register, value in zip(_XMM[: 16 if case.bits == 64 else 8], case.vectors.vector, strict=False):
                machine.reg_write(register, value & (1 << 128) - 1)
            machine.reg_write(x86.UC_X86_REG_MXCSR, case.vectors.mxcsr)
        fault = self._execute(machine, case)
        return self._outcome(machine, case, fault)

    def _execute(self, machine: Any, case: Case) -> Signal | None:
        touched: list[int] = []
        raised: list[int] = []

        def on_invalid(_machine: Any, access: int, address: int, *_: Any) -> bool:
            if access != _api.UC_MEM_FETCH_UNMAPPED:
                touched.append(address)
            return False

        def on_interrupt(_machine: Any, number: int, _data: Any) -> None:
            raised.append(number)
            machine.emu_stop()

        hooks = [
            machine.hook_add(_api.UC_HOOK_MEM_INVALID, on_invalid),
            machine.hook_add(_api.UC_HOOK_INTR, on_interrupt),
        ]
        straight = falls_through(case.code, case.bits)
        try:
            machine.emu_start(case.code_address, case.code_address + len(case.code), count=_LIMIT if straight else 1)
        except _api.UcError as error:
            if touched:
                return Signal(signal.SIGSEGV, _SEGV_MAPERR, touched[0])
            if error.errno == _api.UC_ERR_FETCH_UNMAPPED and not straight:
                return None  # the branch is done: only its target is not there
            if error.errno == _api.UC_ERR_INSN_INVALID:
                raise CannotRun(f"Unicorn does not know the instruction {case.code.hex()}") from error
            raise CannotRun(f"Unicorn: {error}, running {case!r}") from error
        finally:
            for hook in hooks:
                machine.hook_del(hook)
        if not raised:
            return None
        if raised[0] == 0:
            return Signal(signal.SIGFPE, _FPE_INTDIV, case.ip)
        if raised[0] in (12, 13):
            return Signal(signal.SIGBUS if raised[0] == 12 else signal.SIGSEGV, _SI_KERNEL, 0)
        raise CannotRun(f"Unicorn raised interrupt {raised[0]}, running {case!r}")

    def _outcome(self, machine: Any, case: Case, fault: Signal | None) -> Outcome:
        registers = [machine.reg_read(register) for register in _registers(case.bits)]
        bases = case.segment_bases()
        if case.bits == 64:
            bases[4:] = [machine.reg_read(register) for register in _MSR_BASES.values()]
        vectors = case.vectors
        if vectors is not None:
            count = 16 if case.bits == 64 else 8
            low = [machine.reg_read(register) for register in _XMM[:count]]
            merged = [old >> 128 << 128 | new for old, new in zip(vectors.vector, low, strict=False)]
            vectors = attrs.evolve(
                vectors,
                vector=(*merged, *vectors.vector[count:]),
                mxcsr=machine.reg_read(x86.UC_X86_REG_MXCSR),
            )
        return Outcome(
            engine=self.name,
            regs=(*registers, *case.registers()[len(registers) :]),
            rip=machine.reg_read(x86.UC_X86_REG_RIP if case.bits == 64 else x86.UC_X86_REG_EIP),
            rflags=machine.reg_read(x86.UC_X86_REG_EFLAGS),
            bases=tuple(bases),
            memory=bytes(machine.mem_read(case.window.base, len(case.window.contents))),
            vectors=vectors,
            fault=fault,
        )


def _registers(bits: int) -> list[int]:
    if bits == 64:
        return [getattr(x86, f"UC_X86_REG_{name.upper()}") for name in GENERAL]
    return [getattr(x86, f"UC_X86_REG_{name}") for name in _NARROW.values()]


def _selectors(case: Case) -> dict[int, int]:
    """Segment registers that give the bases: real-mode selectors in 16-bit code, the base itself in 64-bit code."""
    if case.bits == 64:
        return {register: case.bases.get(name, 0) for name, register in _MSR_BASES.items()}
    if case.bits == 32:
        named = Decoder(32, case.code).decode().segment_prefix
        if any(
            base for name, base in case.bases.items() if name not in _MSR_BASES or named in (Register.FS, Register.GS)
        ):
            raise CannotRun("Unicorn has no segment bases in 32-bit code without a descriptor table")
        return {}
    if any(base & 15 or base >= 1 << 20 for base in case.bases.values()):
        raise CannotRun("a real-mode base is a multiple of 16 below 1 MiB")
    return {
        getattr(x86, f"UC_X86_REG_{name.upper()}"): base >> 4
        for name, base in zip(SEGMENTS, case.segment_bases(), strict=True)
    }
