"""A traced thread has stopped at SIGSEGV: whose it is, and the access it was about.

The signal tells which: a page that may not be touched (SEGV_ACCERR, with the address), or an instruction that user code
may not execute (SI_KERNEL, without): IN and OUT, and the HLT at the end of a natively completed store. Anything else is
the program's own.
"""

from decode import DecodeError
from emulate import Fault, UnsupportedInstruction
from mmio.errors import AccessError, UnmappedAccess
from mmio.live.completion import can_complete
from mmio.live.fault_signals import is_guest_fault, signal_of
from mmio.program.memory import BeyondEnd
from mmio.program.ports import NotGranted
from mmio.ptrace import out_of_line
from mmio.ptrace.frame import RIP
from mmio.ptrace.instruction_cache import TracedInstruction
from mmio.ptrace.thread import Thread

_SIGSEGV = 11
_SIGBUS = 7
_ACCERR = 2
_ADRERR = 2
_KERNEL = 0x80


class MissedAccess(AccessError):
    """The instruction that faulted does not touch the address it faulted at, by our reckoning."""


def answer(thread: Thread) -> int:
    """Perform the access a thread has stopped at; return the signal the program is to receive, 0 for none.

    Its registers and the signal have been fetched. The registers must be stored before it goes on.

    Raises:
        UnsupportedInstruction: neither the emulator nor a copy can do the instruction.
        MissedAccess: see there.
        Exception: whatever a device raised.
    """
    frame, regs, info, process = thread.frame, thread.regs, thread.info, thread.process
    frame.bits = frame.native_bits
    ip = regs[RIP]
    code = info.code
    site = process.sites.get(ip) or _read_site(thread, code)
    if site is None:
        return _SIGSEGV
    if code == _KERNEL:
        if site.port is None or not process.targets.ports:
            return _copy_ended(thread)
    elif code != _ACCERR or not process.traps(info.address):
        return _SIGSEGV
    elif not site.reaches(frame, info.address):
        _missed(thread, site)
    bus = thread.bus
    bus.ip = ip
    bus.instruction = site.instruction
    process.memory.pid = thread.pid
    try:
        if site.run is not None:
            site.run(frame, bus)
        elif not out_of_line.start(thread, site.instruction):
            raise _refused(thread, site)
    except NotGranted:
        return _SIGSEGV
    except UnmappedAccess:
        if site.port is None or process.port_rights.granted:
            raise
        return _SIGSEGV  # the program has no right to this port, and no device answers there
    except Fault as fault:
        if not is_guest_fault(fault):
            raise
        return _deliver(thread, fault)
    if frame.fetched:
        frame.store()
    return 0


def _read_site(thread: Thread, code: int) -> TracedInstruction | None:
    """Return the site a thread stopped at when it is not known; None when it concerns the program only."""
    if code != _KERNEL and (code != _ACCERR or not thread.process.traps(thread.info.address)):
        return None
    try:
        site = thread.process.sites.at(thread.frame)
        if site.port is not None:
            thread.process.targets.met.update(thread.process.targets.ports)
        return site
    except DecodeError:
        if code == _KERNEL:
            return None
        raise


def registers(thread: Thread) -> str:
    """Return a thread's general registers in words."""
    names = ("rip", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{i}" for i in range(8, 16)), "rflags")
    return " ".join(f"{name}={getattr(thread.frame, name):#x}" for name in names)


def _refused(thread: Thread, site: TracedInstruction) -> UnsupportedInstruction:
    text = f"{site.refusal}, at {thread.regs[RIP]:#x}; {registers(thread)}"
    return UnsupportedInstruction(site.instruction, text)


def _missed(thread: Thread, site: TracedInstruction) -> None:
    if site.run is None and not can_complete(site.instruction):
        raise _refused(thread, site)  # what it touches may not even be known
    ip = thread.regs[RIP]
    raise MissedAccess(
        f"thread {thread.pid} faulted at address {thread.info.address:#x}, but '{site.instruction.format(ip=ip)}' at "
        f"{ip:#x} (bytes {site.instruction.code.hex(' ')}, {site.instruction.bits}-bit code) does not touch it: "
        f"{registers(thread)}"
    )


def _copy_ended(thread: Thread) -> int:
    """Deal with a natively completed instruction that has reached its HLT, or faults as the original would."""
    copies = thread.process.copies
    copy = copies.at(thread.regs[RIP]) if copies is not None else None
    if copy is None:
        return _SIGSEGV
    if thread.regs[RIP] == copy.end:
        out_of_line.finish(thread, copy)
        return 0
    copy.taken = False
    thread.regs[RIP] = copy.ip
    return _SIGSEGV


def _deliver(thread: Thread, fault: Fault) -> int:
    """Deliver the signal of a fault to the program, as if the CPU had raised it."""
    number, code, address = signal_of(fault, thread.regs[RIP])
    if isinstance(fault, BeyondEnd):
        number, code, address = number.__class__(_SIGBUS), _ADRERR, thread.info.address
    thread.info.number, thread.info.code, thread.info.address = number, code, address
    thread.store_signal()
    return int(number)
