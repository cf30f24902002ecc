"""Execute one instruction: find its compiled function and call it.

An instruction met before costs one dictionary look-up and the work itself; that is the whole of `step`.
"""

import warnings
from collections.abc import Callable

from decode import Instruction, TruncatedInstruction, Vendor, decode
from decode.cache import SIZE, checked_size
from decode.refusal import MAX_LENGTH
from decode.registers import REGISTERS
from decode.vendors import check_vendor
from emulate.address import canonical, check_limit
from emulate.answer import BusError, is_about_an_answer
from emulate.builder import Settings
from emulate.bus import Bus
from emulate.compilations import shared
from emulate.compiler import Compiled
from emulate.cpu import RIP, SLOTS, RegisterFile
from emulate.faults import Fault


class Emulator:
    """Executes single instructions against a bus.

    Args:
        bus: where loads, stores and port accesses go.
        slots: where the general registers stand in the `regs` of the CPUs it will be given; the plain `Cpu`'s order
            unless said otherwise.
        alignment_check: raise #AC for misaligned accesses while EFLAGS.AC is set, as ring 3 under CR0.AM does.
        max_iterations: most iterations of a REP string instruction in one step; then `step` returns with rip still at
            the instruction, every finished element committed, and `cpu.pending` saying "iterations".
        port_allowed: asked with port and width before each port access, as IOPL and the IO permission bitmap are
            (SDM vol. 1, 19.5.2); False raises #GP before anything is accessed. Left out, every port is allowed.
        bus_checks_answers: the bus itself sees to it that its answers are unsigned ints of the width asked for, as an
            `AddressSpace` does, and each read is a little cheaper. Nothing looks at them then: what else a bus
            answered would stand in a register.
        cache_size: byte strings whose compiled instructions are kept, in each of the three modes; about 2 KiB of memory
            each. When there are more, those that have not been used for long are evicted. Emulators whose arguments are
            equal, besides `bus`, share what is kept.
        vendor: "intel" or "amd": whose CPUs to do as where they differ (docs/vendors.md).
        vouched: the former name of `bus_checks_answers`; it still works, with a DeprecationWarning.

    Raises:
        ValueError: `max_iterations` or `cache_size` is less than 1, or `vendor` is no maker.
        TypeError: `cache_size` is no int, or `bus` no bus.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        slots: tuple[int, ...] = SLOTS,
        alignment_check: bool = False,
        max_iterations: int | None = None,
        port_allowed: Callable[[int, int], bool] | None = None,
        bus_checks_answers: bool = False,
        cache_size: int = SIZE,
        vendor: Vendor = "intel",
        vouched: bool | None = None,
    ) -> None:
        if vouched is not None:
            warnings.warn("vouched is called bus_checks_answers now", DeprecationWarning, stacklevel=2)
            bus_checks_answers = vouched
        if max_iterations is not None and max_iterations < 1:
            raise ValueError(f"max_iterations is at least 1, not {max_iterations!r}")
        check_vendor(vendor)
        self.bus = bus
        self.settings = Settings(
            tuple(slots), alignment_check, max_iterations, port_allowed, bus_checks_answers, vendor
        )
        self._compilations = shared(self.settings, checked_size(cache_size))
        self._known = self._compilations.recent

    @property
    def bus(self) -> Bus:
        """The bus that accesses go to; it may be replaced between two steps."""
        return self._bus

    @bus.setter
    def bus(self, bus: Bus) -> None:
        if not callable(getattr(bus, "read", None)) or not callable(getattr(bus, "write", None)):
            problem = "a bus has read(address, width) and write(address, width, value)"
            raise TypeError(f"{problem}, for IO ports also port_read and port_write; {bus!r} has not")
        self._bus = bus
        self._begin: Callable[[Instruction, int], None] | None = getattr(bus, "begin", None)

    def step(self, cpu: RegisterFile, code: bytes | None = None) -> Instruction:
        """Execute exactly one instruction and return it.

        Args:
            cpu: the registers; rip, and whatever the instruction writes, are updated in place.
            code: the bytes at rip; more may follow. Left out, they are fetched from the bus.

        Raises:
            Fault: what the CPU would raise. The registers are as they were, except for finished REP elements.
            UnsupportedInstruction: the emulator does not do this instruction.
            DecodeError: the bytes are not an instruction; its `vector` is what the CPU would raise.
            BusError: the bus answered something that does not fit. The registers are as they were.
            Exception: whatever the bus raised, unchanged.
        """
        compiled: Compiled | None
        try:
            compiled = self._known[cpu.bits][code]  # type: ignore[index]  # None is never a key
        except (KeyError, TypeError):
            compiled = None  # and not made here, where what it raises would have this exception as its context
        except AttributeError:
            raise TypeError(f"cpu is an emulate.Cpu or another RegisterFile, not {type(cpu).__name__}") from None
        if compiled is None:
            compiled = self.compile(cpu.bits, self._fetch(cpu) if code is None else code)
        # Two loads and then a call: a call through an attribute that is a slot is looked up anew each time.
        run, instruction = compiled.run, compiled.instruction
        if self._begin is not None:
            self._begin(instruction, cpu.regs[cpu.slots[RIP]])
        try:
            run(cpu, self._bus)
        except TypeError as error:
            if not is_about_an_answer(error):
                raise
            wrong = BusError(f"the bus answered a read with something that is no int: {error}")
            wrong.locate(instruction, cpu.regs[cpu.slots[RIP]])
            raise wrong from error
        except (Fault, BusError) as fault:
            fault.locate(instruction, cpu.regs[cpu.slots[RIP]])
            raise
        return instruction

    def compile(self, bits: int, code: bytes) -> Compiled:
        """Return the compiled instruction at the start of `code`, from the cache when it was seen before.

        Raises:
            UnsupportedInstruction: the emulator does not do this instruction.
            DecodeError: the bytes are not an instruction.
            TypeError: `code` is not bytes-like.
        """
        if not isinstance(code, bytes | bytearray | memoryview):  # of an int, bytes() would make as many zeros
            raise TypeError(
                f"code is bytes, not {type(code).__name__}; bytes.fromhex makes bytes of hexadecimal digits"
            )
        return self._compilations.compiled(bits, bytes(code))

    def _fetch(self, cpu: RegisterFile) -> bytes:
        """Read the instruction at cs:rip from the bus; byte by byte, and none too many, where the bus has no `fetch`.

        Raises:
            GeneralProtection: rip is not canonical, or some of the instruction lies beyond the limit of cs.
            DecodeError: the bytes are not an instruction.
            Exception: whatever the bus raised for a byte that is not there.
        """
        start = cpu.regs[cpu.slots[RIP]]
        fetch = getattr(self._bus, "fetch", None)
        code = b""
        while True:
            address = _code_address(cpu, start + len(code), 1)
            more = bytes([self._bus.read(address, 1)] if fetch is None else fetch(address, MAX_LENGTH - len(code)))
            code += more
            try:
                found = decode(code, cpu.bits, self.settings.vendor).code
            except TruncatedInstruction:
                if not more:
                    raise
                continue
            _code_address(cpu, start, len(found))
            return found


def _code_address(cpu: RegisterFile, offset: int, width: int) -> int:
    """Return the linear address of code at an offset in cs. Raises #GP (SDM vol. 3A, 6.15, interrupt 13)."""
    if cpu.bits == 64:
        return canonical(offset, width)
    check_limit(cpu.limits, REGISTERS["cs"], offset, width)
    return offset + cpu.bases[1] & 0xFFFFFFFF
