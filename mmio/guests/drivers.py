"""Drivers of a guest: the modules to be packed, and how they are loaded.

Drivers are registered while the kernel matches none with a device (/sys/bus/pci/drivers_autoprobe is 0). So where their
functions are is known before the first access to a device.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from time import time
from typing import Final

from mmio.arguments import shortened
from mmio.guests.control import Completed
from mmio.guests.errors import GuestError
from mmio.guests.initramfs import readable
from mmio.guests.kernels import Kernel, module_bytes
from mmio.guests.symbols import GuestSymbols

_SECTION: Final = re.compile(r"^(\.\S+) 0x([0-9a-f]+)$", re.MULTILINE)
_PARAMETERS: Final = re.compile(r"[\w.,:=/+\- \"]*")

_SAY: Final = "echo pagetrap: loading drivers >/dev/kmsg"

Run = Callable[[str], Completed]

Sections = dict[str, dict[str, int]]
"""Addresses of the sections of modules: by the module's name, and the section's."""


class Drivers:
    """Modules to load.

    Args:
        kernel: whose modules they are.
        modules: names of the kernel's modules, or paths of files of your own, each with its parameters if it has any:
            "e1000 debug=16".

    Attributes:
        names: of all modules, in the order of loading.
        packed: names of those of the kernel's, which go into the initramfs.
        files: more files of the initramfs by path.

    Raises:
        MissingError: there is no such module.
    """

    def __init__(self, kernel: Kernel, modules: Iterable[str]) -> None:
        if isinstance(modules, str):
            raise TypeError(f'modules is a list of names, such as ["e1000"], not {shortened(modules)}')
        self._kernel = kernel
        self.names: list[str] = []
        self.packed: list[str] = []
        self.files: dict[str, bytes] = {}
        self.commands: list[str] = []
        """The commands that load them."""
        for module in modules:
            words = module.split(maxsplit=1)
            if not words or not all(map(_PARAMETERS.fullmatch, words)):
                raise ValueError(f"modules are names with parameters, such as 'e1000 debug=16', not {module!r}")
            name, parameters = words[0], " ".join(words[1:])
            if name.endswith(".ko"):
                data = readable(name)
                name = Path(name).stem.replace("-", "_")
                depends = re.search(rb"\0depends=([^\0]*)\0", data)
                for one in kernel.load_order(filter(None, depends[1].decode().split(",") if depends else ())):
                    self._add(one)
                self.files[f"lib/modules/{name}.ko"] = data
                self._add(name, parameters, packed=False)
            else:
                name = name.replace("-", "_")
                for one in kernel.load_order([name]):
                    self._add(one, parameters if one == name else "")

    def _add(self, name: str, parameters: str = "", *, packed: bool = True) -> None:
        if name not in self.names:
            self.names.append(name)
            self.commands.append(f"insmod /lib/modules/{name}.ko {parameters}".rstrip())
            if packed:
                self.packed.append(name)

    def _data(self, name: str) -> bytes:
        own = self.files.get(f"lib/modules/{name}.ko")
        return module_bytes(self._kernel.files[name]) if own is None else own

    def load(self, run: Run) -> Sections:
        """Load the modules, while the kernel matches none with a device; return where they are.

        Args:
            run: runs a command in the guest.

        Raises:
            GuestError: one cannot be loaded.
        """
        run(f"echo 8 >/proc/sys/kernel/printk; {_SAY}; echo 0 >/sys/bus/pci/drivers_autoprobe")
        for command in self.commands:
            done = run(command)
            if done.status:
                raise GuestError(f"{command}: {done.text.strip()}")
        sections: Sections = {}
        for name in self.names:
            text = run(f"cd /sys/module/{name}/sections && for s in .*text*; do echo $s $(cat $s); done").text
            sections[name] = {section: int(address, 16) for section, address in _SECTION.findall(text)}
        return sections

    def name(self, symbols: GuestSymbols, sections: Sections) -> None:
        """Add the names of the modules' functions to those of the guest.

        Args:
            symbols: get them.
            sections: where the modules are.
        """
        for name in self.names:
            symbols.add_module(name, self._data(name), sections[name])

    def match(self, run: Run) -> None:
        """Match the modules with the devices.

        Args:
            run: runs a command in the guest.
        """
        run(
            "echo 1 >/sys/bus/pci/drivers_autoprobe; for d in /sys/bus/pci/devices/*; do "
            "[ -e $d/driver ] || echo ${d##*/} >/sys/bus/pci/drivers_probe; done 2>/dev/null"
        )

    def match_plugged(self, run: Run) -> None:
        """Match the modules with devices that were plugged in.

        The kernel's own handler of the event holds the lock that a rescan waits for (drivers/pci/pci-sysfs.c); so when
        this returns both are done.

        Args:
            run: runs a command in the guest.
        """
        run(f"date -s @{int(time())} >/dev/null; {_SAY}; echo 1 >/sys/bus/pci/rescan")
