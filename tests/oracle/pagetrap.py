"""Our emulator as an engine, under the same roof as the judges.

Its memory is the case's window and nothing else; ports are closed, as they are to a user program. Faults are told as
the signals Linux makes of them (arch/x86/kernel/traps.c).
"""

from __future__ import annotations

import signal

from decode import DecodeError, Vendor
from decode.operands import READ, WRITE, Direction
from emulate import (
    AlignmentCheck,
    BoundRange,
    Cpu,
    DivideError,
    Emulator,
    Fault,
    GeneralProtection,
    InvalidOpcode,
    PageFault,
    Ram,
    SimdFault,
    StackFault,
    UnsupportedInstruction,
)
from mmio.live.vendor import cpu_vendor
from tests.oracle.case import CannotRun, Case, Outcome, Signal, VectorState, Window

_SI_KERNEL, _FPE_INTDIV, _ILL_ILLOPN, _SEGV_MAPERR, _BUS_ADRALN = 0x80, 1, 2, 1, 1
# The first that applies: FPE_FLTINV, FLTDIV, FLTOVF, FLTUND, FLTRES (arch/x86/kernel/fpu/core.c, fpu__exception_code).
_FPE = {0x01: 7, 0x04: 3, 0x08: 4, 0x12: 5, 0x20: 6}


class WindowBus(Ram):
    """The window of a case as a bus that remembers each access in `log`: direction, address, width.

    With `bulk`, REP instructions may take whole blocks, which are not logged.
    """

    def __init__(self, window: Window, bulk: bool) -> None:
        super().__init__(window.contents, window.base)
        self.window = window
        self.bulk = bulk
        self.log: list[tuple[Direction, int, int]] = []

    def read(self, address: int, width: int) -> int:
        self.log.append((READ, address, width))
        return super().read(address, width)

    def write(self, address: int, width: int, value: int) -> None:
        self.log.append((WRITE, address, width))
        super().write(address, width, value)

    def read_block(self, address: int, length: int) -> bytes | None:  # type: ignore[override]
        return super().read_block(address, length) if self._plain(address, length) else None

    def write_block(self, address: int, data: bytes) -> bool:
        return self._plain(address, len(data)) and super().write_block(address, data)

    def _offset(self, address: int, length: int, write: bool) -> int:
        absent = self.window.first_absent(address, length)
        if absent is not None:
            raise PageFault(absent, write=write)
        return address - self.base

    def _plain(self, address: int, length: int) -> bool:
        return self.bulk and self.base <= address and address + length <= self.base + len(self.data)

    def port_read(self, port: int, width: int) -> int:
        raise GeneralProtection(f"port {port:#x} is not open to user programs", error_code=0)

    def port_write(self, port: int, width: int, value: int) -> None:
        raise GeneralProtection(f"port {port:#x} is not open to user programs", error_code=0)


class PagetrapEngine:
    """Runs cases on an `emulate.Emulator`, by default one for this CPU's vendor; `log` holds the last bus accesses."""

    name = "pagetrap"

    def __init__(self, bulk: bool = False, vendor: Vendor | None = None) -> None:
        self.bulk = bulk
        self.log: list[tuple[Direction, int, int]] = []
        self._emulator = Emulator(WindowBus(Window(), bulk), alignment_check=True, vendor=vendor or cpu_vendor())

    def run(self, case: Case) -> Outcome:
        """Execute the case's one instruction on the emulator.

        Raises:
            CannotRun: The emulator does not do this instruction.
        """
        cpu = cpu_of(case)
        self._emulator.bus = bus = WindowBus(case.window, self.bulk)
        fault: Signal | None = None
        try:
            self._emulator.step(cpu, case.code)
        except UnsupportedInstruction as error:
            raise CannotRun(str(error)) from error
        except DecodeError as error:
            fault = signal_of_bytes(error, case)
        except Fault as error:
            fault = signal_of(error, case.ip)
        self.log = bus.log
        return Outcome(
            engine=self.name,
            regs=tuple(cpu.regs[:16]),
            rip=cpu.rip,
            rflags=cpu.rflags,
            bases=tuple(cpu.bases),
            memory=bytes(bus.data),
            vectors=None if case.vectors is None else vectors_of(cpu),
            fault=fault,
        )


def cpu_of(case: Case) -> Cpu:
    """The registers a case starts with. 16-bit code is protected mode code, as it is on silicon."""
    cpu = Cpu(case.bits, protected=True)
    cpu.regs[:] = [*case.registers(), case.ip, case.rflags]
    cpu.bases[:] = case.segment_bases()
    if case.bits == 16:
        cpu.limits = [0xFFFF] * 6
    elif case.bits == 32 and (any(cpu.bases[:4]) or cpu_vendor() == "amd"):
        # Where all segments are flat, Intel's CPUs let an access wrap around 4 GiB unchecked (SDM vol. 3A, 5.3).
        cpu.limits = [0xFFFFFFFF] * 6
    if case.vectors is not None:
        cpu.vector[:] = case.vectors.vector
        cpu.k[:] = case.vectors.k
        cpu.x87[:] = case.vectors.x87
        cpu.mxcsr, cpu.fcw = case.vectors.mxcsr, case.vectors.fcw
        cpu.fsw, cpu.ftw = case.vectors.fsw, case.vectors.ftw
    return cpu


def vectors_of(cpu: Cpu) -> VectorState:
    """The vector state of `cpu`."""
    return VectorState(
        vector=tuple(cpu.vector),
        k=tuple(cpu.k),
        mxcsr=cpu.mxcsr,
        x87=tuple(cpu.x87),
        fcw=cpu.fcw,
        fsw=cpu.fsw,
        ftw=cpu.ftw,
    )


def signal_of_bytes(error: DecodeError, case: Case) -> Signal:
    """The signal that Linux makes of bytes that are not an instruction; a page without code follows them."""
    signals = {
        6: Signal(signal.SIGILL, _ILL_ILLOPN, case.ip),
        13: Signal(signal.SIGSEGV, _SI_KERNEL, 0),
        None: Signal(signal.SIGSEGV, _SEGV_MAPERR, case.code_address + len(case.code)),
    }
    return signals[error.vector]


def signal_of(fault: Fault, ip: int) -> Signal:
    """The signal that Linux makes of a fault."""
    if isinstance(fault, PageFault):
        assert fault.address is not None
        return Signal(signal.SIGSEGV, _SEGV_MAPERR, fault.address)
    if isinstance(fault, SimdFault):
        return Signal(signal.SIGFPE, next(code for bits, code in _FPE.items() if fault.exceptions & bits), ip)
    signals = {
        DivideError: Signal(signal.SIGFPE, _FPE_INTDIV, ip),
        InvalidOpcode: Signal(signal.SIGILL, _ILL_ILLOPN, ip),
        BoundRange: Signal(signal.SIGSEGV, _SI_KERNEL, 0),
        GeneralProtection: Signal(signal.SIGSEGV, _SI_KERNEL, 0),
        StackFault: Signal(signal.SIGBUS, _SI_KERNEL, 0),
        AlignmentCheck: Signal(signal.SIGBUS, _BUS_ADRALN, 0),
    }
    return signals[type(fault)]
