"""The firmware's interrupt handlers, by the number of their exception.

A handler is a Python function that was named for it, a function of a library that firmware was loaded from, or an entry
of the vector table.
"""

import ctypes
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Final

from mmio.arguments import shortened
from mmio.cortex_m.priorities import EXTERNAL
from mmio.errors import MmioError

CMSIS: Final = "{name}_IRQHandler"
"""The names of handlers in CMSIS: USART2_IRQHandler."""

OPENCM3: Final = "{lower}_isr"
"""The names of handlers in libopencm3: usart2_isr."""

_CORE: Final = {
    2: ("NMI_Handler", "nmi_handler"),
    3: ("HardFault_Handler", "hard_fault_handler"),
    4: ("MemManage_Handler", "mem_manage_handler"),
    5: ("BusFault_Handler", "bus_fault_handler"),
    6: ("UsageFault_Handler", "usage_fault_handler"),
    11: ("SVC_Handler", "sv_call_handler"),
    12: ("DebugMon_Handler", "debug_monitor_handler"),
    14: ("PendSV_Handler", "pend_sv_handler"),
    15: ("SysTick_Handler", "sys_tick_handler"),
}

Handler = Callable[[], object]


class NoHandler(MmioError, LookupError):
    """The firmware has no handler for a pending exception."""


class Handlers(MutableMapping[int | str, Handler]):
    """Handlers by the number of the exception, or by the name of the interrupt: `handlers["USART2"] = function`.

    Args:
        interrupts: names of external interrupts, each with its numbers from 0.
        vectors: returns the address of the vector table, 0 where there is none.
    """

    def __init__(self, interrupts: Iterable[tuple[str, int]], vectors: Callable[[], int]) -> None:
        self._numbers = {name: EXTERNAL + number for name, number in interrupts}
        self._numbers |= {names[0].removesuffix("_Handler"): number for number, names in _CORE.items()}
        self._vectors = vectors
        self._given: dict[int, Handler] = {}
        self._found: dict[int, Handler] = {}

    def load(self, library: Any, pattern: str) -> list[str]:
        """Take the handlers that a library of ctypes has; return their names.

        Args:
            library: such as `ctypes.CDLL("./firmware.so")`.
            pattern: of the names of interrupts' handlers, in which {name} is the interrupt's, {lower} its lower case.
        """
        names: list[str] = []
        for number in self._numbers.values():
            for name in self.symbols(number, pattern):
                function = getattr(library, name, None)
                if function is not None:
                    function.restype, function.argtypes = None, ()
                    self._found[number] = function
                    names.append(name)
        return names

    def symbols(self, number: int, *patterns: str) -> list[str]:
        """Return the names that the handler of an exception may have, by patterns of the names of interrupts'."""
        known = [name for name, each in self._numbers.items() if each == number]
        return [*_CORE.get(number, ())] or [p.format(name=n, lower=n.lower()) for n in known for p in patterns]

    def find(self, number: int) -> Handler:
        """Return the handler of an exception.

        Raises:
            NoHandler: there is none.
        """
        handler = self._given.get(number) or self._found.get(number)
        if handler is not None:
            return handler
        table = self._vectors()
        if table:
            address = ctypes.c_void_p.from_address(table + ctypes.sizeof(ctypes.c_void_p) * number).value
            if address:
                return ctypes.CFUNCTYPE(None)(address)
        raise NoHandler(f"{self.named(number)} is pending and enabled, and has no handler: {self._advice(number)}")

    def named(self, number: int) -> str:
        """Return what an exception is called in messages."""
        names = [name for name, known in self._numbers.items() if known == number]
        what = f"interrupt {number - EXTERNAL}" if number >= EXTERNAL else f"exception {number}"
        return f"{what} ({' or '.join(names)})" if names else what

    def _advice(self, number: int) -> str:
        names = _CORE.get(number) or [CMSIS.format(name=n) for n, known in self._numbers.items() if known == number]
        set_it = f"set board.handlers[{number}]"
        if not names:
            return f"the file has no name for it; {set_it}"
        return f"define void {names[0]}(void) in the firmware, load it with board.load(path), or {set_it}"

    def _number(self, key: int | str) -> int:
        if isinstance(key, str):
            if key not in self._numbers:
                known = ", ".join(sorted(self._numbers)[:20])
                raise KeyError(f"there is no interrupt {key!r}; there are {known} …")
            return self._numbers[key]
        if isinstance(key, bool) or not isinstance(key, int):
            raise TypeError(f"a handler is for the number of an exception or a name, not {shortened(key)}")
        return key

    def __getitem__(self, key: int | str) -> Handler:
        return self.find(self._number(key))

    def __setitem__(self, key: int | str, handler: Handler) -> None:
        if not callable(handler):
            raise TypeError(f"a handler is a function without arguments, not {shortened(handler)}")
        self._given[self._number(key)] = handler

    def __delitem__(self, key: int | str) -> None:
        del self._given[self._number(key)]

    def __iter__(self) -> Any:
        return iter(sorted({*self._given, *self._found}))

    def __len__(self) -> int:
        return len({*self._given, *self._found})
