"""A PCI function as one object: configuration space, the devices in its regions, its interrupts and its DMA."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from mmio.arguments import flag, instance, integer, shortened, text
from mmio.device.declared import Declared
from mmio.device.device import Device
from mmio.device.line import Line
from mmio.device.memory import Data, ProgramMemory, ProgramMemoryError, ThisProcess
from mmio.pci.bar import Bar, Piece, Rom, Window, model_of, rom_register
from mmio.pci.capabilities import MSIX_ENTRY, Capability, Msi, MsiX, PcieEndpoint, PowerManagement
from mmio.pci.config import EXPRESS_END, LIST_END, ConfigSpace, config_space, headers, place
from mmio.pci.interrupts import Interrupts
from mmio.pci.msix import msix_table, pending_bits

_D3HOT: Final = 3
_MOST_CLASS: Final = (1 << 24) - 1
_ALONE: Final = (Msi, MsiX, PcieEndpoint, PowerManagement)  # of which a function has one at most


class NotBusMaster(ProgramMemoryError):
    """A function accessed memory while bus mastering is disabled (COMMAND.MASTER is 0).

    Args:
        verb: "read" or "write".
        address, length: of the whole access.
        function: the name of the function.

    Attributes:
        address, length: of the whole access.
        done: 0.
    """

    def __init__(self, verb: str, address: int, length: int, function: str) -> None:
        problem = (
            "it is not a bus master; the driver has not set bit 2 of COMMAND (offset 4 of configuration space; "
            "pci_set_master in Linux), or has reset the function since"
        )
        super().__init__(verb, address, length, 0, function, problem, function)


class _BusMaster:
    """Memory as the devices of a function reach it: only while software lets the function."""

    def __init__(self, function: "PciFunction") -> None:
        self.function = function
        self.inner: ProgramMemory = ThisProcess(function.name)

    def read(self, address: int, length: int) -> bytes:
        self._check("read", address, length)
        return self.inner.read(address, length)

    def write(self, address: int, data: Data) -> None:
        self._check("write", address, len(data))
        self.inner.write(address, data)

    def _check(self, verb: str, address: int, length: int) -> None:
        if not self.function.config.command.MASTER:
            raise NotBusMaster(verb, address, length, self.function.name)

    def __repr__(self) -> str:
        return f"BusMaster({self.inner!r})"


class PciFunction:
    """A PCI function: what `lspci` shows, and the devices behind it.

        nic = Card()
        function = PciFunction(0x8086, 0x100E, 0x020000, bars=[Bar(0, nic, size=0x20000)],
                               capabilities=[PowerManagement(), Msi()])
        function.interrupts.follow(nic.irq)

    Any device model answers in a region. Its `memory`, if it is a `Device`, is that of the function: `memory` here.

    Args:
        vendor: the vendor's number.
        device: the vendor's number for the device.
        class_code: 24 bits: base class, subclass, programming interface, as 0x020000 for an Ethernet controller.
        revision: 8 bits.
        subsystem: the numbers of the board's vendor and of the board.
        bars: the regions.
        capabilities: what it can do, in the order of the list.
        option_rom: the image of an expansion ROM.
        interrupt_pin: 1 for INTA to 4 for INTD; 0 for none.
        multifunction: there are other functions of this device.
        name: in records and messages; the class's when left out.

    Attributes:
        name: as given.
        config: configuration space, a `Device`: `function.config.command.MASTER`, `function.config["MSI.CONTROL"]`.
        bars: the regions, by the number of their register.
        capabilities: the capabilities, by their place.
        rom: the expansion ROM, None without one.
        interrupts: INTx, MSI and MSI-X.

    Raises:
        TypeError: an argument is of a wrong kind.
        ValueError: a number does not fit, or regions or capabilities do not go together; says which.
    """

    def __init__(
        self,
        vendor: int,
        device: int,
        class_code: int,
        *,
        revision: int = 0,
        subsystem: tuple[int, int] = (0, 0),
        bars: Iterable[Bar] = (),
        capabilities: Sequence[Capability] = (),
        option_rom: bytes | None = None,
        interrupt_pin: int = 1,
        multifunction: bool = False,
        name: str | None = None,
    ) -> None:
        self.name = type(self).__name__ if name is None else text("name", name)
        self.bars = self._placed(bars)
        self.rom = None if option_rom is None else Rom(option_rom)
        if not isinstance(subsystem, tuple) or len(subsystem) != 2:
            raise TypeError(f"subsystem is (vendor, number), not {shortened(subsystem)}")
        capabilities = list(instance("capabilities", capabilities, Iterable, "a list, as [Msi()]"))
        places = place(capabilities)
        self.capabilities = {at: capability for at, _, capability in places}
        for kind in _ALONE:
            if sum(isinstance(one, kind) for one in capabilities) > 1:
                raise ValueError(f"a function has one capability {kind.name}, not several")
        integer("class_code", class_code, 0, _MOST_CLASS)
        numbers = {
            "vendor_id": vendor,
            "device_id": device,
            "revision_id": revision,
            "interface": class_code & 0xFF,
            "subclass": class_code >> 8 & 0xFF,
            "base_class": class_code >> 16,
            "subsystem_vendor_id": subsystem[0],
            "subsystem_id": subsystem[1],
            "interrupt_pin": integer("interrupt_pin", interrupt_pin, 0, 4),
            "header_type": flag("multifunction", multifunction) << 7,
            "status": bool([one for one in capabilities if not one.extended]) << 4,
        }
        registers: dict[str, Declared[Any]] = {}
        for bar in self.bars.values():
            registers |= bar.registers()
        if self.rom is not None:
            registers["rom_address"] = rom_register(self.rom.length)
        for at, label, capability in places:
            found = capability.registers(at, label)
            registers |= {f"cap_{label.lower()}_{attribute}": declared for attribute, declared in found.items()}
        registers |= headers(places)
        express = any(isinstance(one, PcieEndpoint) or one.extended for one in capabilities)
        length = EXPRESS_END if express else LIST_END
        self.config: ConfigSpace = config_space(f"{self.name}Config", numbers, registers, length)
        self._pieces: dict[int, list[Piece]] = {}
        self.interrupts = self._interrupts(capabilities)
        self.config.changed = self._changed
        self._power = 0
        self._memory = _BusMaster(self)
        for device_model in self.models:
            device_model.memory = self._memory
        self._windows = {index: self._window(index) for index in self.bars}

    def _placed(self, bars: Iterable[Bar]) -> dict[int, Bar]:
        taken: dict[int, Bar] = {}
        found: dict[int, Bar] = {}
        for bar in instance("bars", bars, Iterable, "a list, as [Bar(0, device)]"):
            if isinstance(bar, type) or not isinstance(bar, Bar):
                raise TypeError(f"bars are made as Bar(0, device, size=0x1000), not {shortened(bar)}")
            for index in bar.indices:
                other = taken.setdefault(index, bar)
                if other is not bar:
                    which = f"BAR{other.index}, whose address of 64 bits takes two," if other.wide else "another"
                    raise ValueError(f"register {index} of BAR{bar.index} is taken by {which}")
            found[bar.index] = bar
        return dict(sorted(found.items()))

    def _interrupts(self, capabilities: Sequence[Capability]) -> Interrupts:
        msi = next((one.vectors for one in capabilities if isinstance(one, Msi)), 0)
        msix = next((one for one in capabilities if isinstance(one, MsiX)), None)
        if msix is None:
            return Interrupts(self.config, None, None, msi, 0)
        table, pending = msix_table(msix.vectors), pending_bits(msix.vectors)
        for what, (number, offset), length, made in (
            ("table", msix.table, MSIX_ENTRY * msix.vectors, table),
            ("pending bits", msix.pending_at, msix.pending_length, pending),
        ):
            bar = self.bars.get(number)
            if bar is None or bar.kind == "io" or offset + length > bar.size:
                has = "no such region of memory" if bar is None or bar.kind == "io" else f"{bar.size:#x} bytes"
                where = f"{offset:#x}..{offset + length:#x} of BAR{number}"
                raise ValueError(f"the place of the MSI-X {what} is {where}, which has {has}")
            pieces = self._pieces.setdefault(number, [])
            for other in pieces:
                if offset < other.start + other.length and other.start < offset + length:
                    raise ValueError(f"the MSI-X table and its pending bits overlap in BAR{number}")
            pieces.append(Piece(offset, length, made))
        return Interrupts(self.config, table, pending, msi, msix.vectors)

    @property
    def models(self) -> list[Device]:
        """Return the models in its regions, without what has been put in front of them, such as faults."""
        found: dict[int, Device] = {}
        for bar in self.bars.values():
            model = model_of(bar.device)
            if model is not None:
                found[id(model)] = model
        return list(found.values())

    def _window(self, index: int) -> Window:
        bar = self.bars[index]
        name = f"{self.name}.BAR{index}"
        return Window(
            name,
            bar.size,
            bar.device,
            self._pieces.get(index, ()),
            self._decodes_io if bar.kind == "io" else self._decodes,
        )

    def _decodes(self) -> bool:
        return self.config.command.MEMORY == 1 and self._power == 0

    def _decodes_io(self) -> bool:
        return self.config.command.IO == 1 and self._power == 0

    def bar(self, index: int) -> Window:
        """Return a region as a device: it answers while COMMAND lets it, and in power state D0.

        Args:
            index: of its register.

        Raises:
            TypeError: the index is no int.
            ValueError: there is no such region.
        """
        if integer("index", index) not in self._windows:
            there = ", ".join(f"BAR{number}" for number in self._windows) or "none"
            raise ValueError(f"{self.name} has no BAR{shortened(index)}; it has {there}")
        return self._windows[index]

    def address(self, index: int) -> int:
        """Return the address that software has given a region.

        Args:
            index: of its register.

        Raises:
            ValueError: there is no such region.
        """
        self.bar(index)
        bar = self.bars[index]
        value: int = self.config[f"BAR{index}"].value
        if bar.kind == "io":
            return value & ~3
        high = self.config[f"BAR{index + 1}"].value if bar.wide else 0
        return high << 32 | value & ~0xF

    def place(self, index: int, address: int) -> None:
        """Give a region an address, as firmware does.

        Args:
            index: of its register.
            address: a multiple of the region's size.

        Raises:
            ValueError: there is no such region, or it cannot be there.
        """
        self.bar(index)
        bar = self.bars[index]
        most = (1 << (64 if bar.wide else 32)) - bar.size
        if integer("address", address, 0, most) % bar.size:
            raise ValueError(f"BAR{index} has {bar.size:#x} bytes and lies at a multiple of that, not at {address:#x}")
        for number in bar.indices:
            self.config[f"BAR{number}"].write(address >> 32 * (number - index) & 0xFFFFFFFF)

    @property
    def memory(self) -> ProgramMemory:
        """The memory that the devices of the function reach, while COMMAND.MASTER lets them."""
        return self._memory.inner

    @memory.setter
    def memory(self, memory: ProgramMemory) -> None:
        if isinstance(memory, type) or not isinstance(memory, ProgramMemory):
            problem = "is something with read(address, length) and write(address, data)"
            raise TypeError(f"the memory of {self.name} {problem}, not {shortened(memory)}")
        self._memory.inner = memory
        if getattr(memory, "device", None) == "":
            memory.device = self.name  # type: ignore[attr-defined]

    @property
    def intx(self) -> Line:
        """The interrupt pin."""
        return self.interrupts.intx

    def interrupt(self, vector: int = 0) -> None:
        """Interrupt, by the message of a vector or the pin; see `Interrupts.signal`.

        Args:
            vector: from 0.
        """
        self.interrupts.signal(vector)

    def reset(self) -> None:
        """Reset the function, as FLR and the bus do: all registers, the devices in its regions, its interrupts."""
        self.config.reset()
        self._power = 0
        self.interrupts.reset()
        found = {id(bar.device): bar.device for bar in self.bars.values()}
        for device in found.values():
            reset = getattr(device, "reset", None)
            if callable(reset):
                reset()

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain dicts, lists and ints, with that of each device that has a `snapshot`."""
        devices = {}
        for index, bar in self.bars.items():
            if hasattr(bar.device, "snapshot"):
                devices[str(index)] = bar.device.snapshot()
        return {"config": self.config.snapshot(), "interrupts": self.interrupts.snapshot(), "devices": devices}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of a snapshot back, quietly.

        Args:
            state: of `snapshot`.

        Raises:
            ValueError: it is of another function.
        """
        try:
            config, interrupts, devices = state["config"], state["interrupts"], state["devices"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"no snapshot of {self.name}: {error!r}") from None
        self.config.restore(config)
        self._power = self._state()
        self.interrupts.restore(interrupts)
        for index, bar in self.bars.items():
            if hasattr(bar.device, "restore"):
                bar.device.restore(devices[str(index)])

    def _state(self) -> int:
        return self.config["PM.PMCSR"].STATE if "PM.PMCSR" in self.config else 0

    def _changed(self) -> None:
        """Do what a write to configuration space asks for."""
        config = self.config
        if "PCIE.DEVCTL" in config and config["PCIE.DEVCTL"].FLR:
            self.reset()
            return
        if "PM.PMCSR" in config and self._power != config["PM.PMCSR"].STATE:
            self._to_state(config["PM.PMCSR"].STATE)
        self.interrupts.changed()

    def _to_state(self, state: int) -> None:
        pmc, pmcsr = self.config["PM.PMC"], self.config["PM.PMCSR"]
        if (state == 1 and not pmc.D1) or (state == 2 and not pmc.D2):
            pmcsr.STATE = self._power  # PM 1.2, 3.2.4: a state that is not there is discarded
            return
        before, self._power = self._power, state
        if before == _D3HOT and state == 0 and not pmcsr.NO_SOFT_RESET:
            self.reset()

    def __repr__(self) -> str:
        vendor, device = self.config.vendor_id.value, self.config.device_id.value
        return f"<{self.name} {vendor:04x}:{device:04x}, {len(self.bars)} regions>"
