"""Words of the machine code that stubs call: where stubs lie, and what frames of this kernel have in common."""

from collections.abc import Iterable
from ctypes import c_uint64
from typing import Any

from mmio.hosted.program_area import Area
from mmio.hosted.trampoline import (
    ARENAS,
    CAN_SAVE,
    DEVICE_CALL,
    FEATURES,
    MOST_ARENAS,
    SEGMENTS,
    SOFTWARE,
    UC_FLAGS,
    XGETBV_1,
    XSAVE_SIZE,
    Crossing,
)
from mmio.live import signal_frame
from mmio.live.direct_calls import DirectCalls
from mmio.live.signal_frame import XSAVE, Frame
from mmio.patching import stub
from mmio.patching.kernel_frame import kernel_frame


class StubArea:
    """The words of the machine code that stubs call, and the arenas that they lie in.

    Args:
        crossing: the machine code.
        area: has room for stubs.
        ranges: addresses that are trapped whatever lies there.
    """

    def __init__(self, crossing: Crossing, area: Area, ranges: Iterable[range]) -> None:
        self._words = crossing.words
        self._area = area
        self._ranges = list(ranges)
        self._ready = False

    def map_exactly(self, address: int, length: int, protection: int) -> bool:
        """Map free pages at an address; return False where there is something, or may be later.

        Args:
            address: of the first.
            length: in bytes.
            protection: as for mmap(2).
        """
        if any(address < other.stop and other.start < address + length for other in self._ranges):
            return False
        return self._area.map_exactly(address, length, protection)

    def announce(self, start: int) -> bool:
        """Note a new arena; return whether there is room for one more.

        Args:
            start: its address.
        """
        for index in range(ARENAS, ARENAS + MOST_ARENAS):
            if not self._words[index]:
                self._words[index] = start
                return True
        return False

    def slot(self, address: int) -> int | None:
        """Return the address of the stub that an address lies in; None where there is none.

        Args:
            address: of code.
        """
        for index in range(ARENAS, ARENAS + MOST_ARENAS):
            start = self._words[index]
            if start and 0 <= address - start < stub.CODE:
                return address & -stub.SLOT
        return None

    def forget(self) -> None:
        """Forget the arenas: nothing is mapped there any more."""
        for index in range(ARENAS, ARENAS + MOST_ARENAS):
            self._words[index] = 0

    def prepare(self, frame: Frame, regs: Any, direct: DirectCalls) -> None:
        """Take note, once, of what all frames have in common.

        Args:
            frame: one of them.
            regs: its registers.
            direct: the direct calls, which are prepared as well.

        Raises:
            NotPatched: the frames have no XSAVE area.
        """
        if self._ready:
            return
        common, words = kernel_frame(regs[XSAVE]), self._words
        words[SOFTWARE], words[SOFTWARE + 1], words[SOFTWARE + 2] = common.software
        words[XSAVE_SIZE], words[FEATURES], words[XGETBV_1] = common.size, common.features, common.tells_use
        words[SEGMENTS] = regs[signal_frame.SEGMENTS]
        words[UC_FLAGS] = c_uint64.from_address(frame.address).value
        words[DEVICE_CALL], words[CAN_SAVE] = direct.machine_code.call, direct.machine_code.can_save
        direct.prepare(common.features, common.tells_use)
        self._ready = True
