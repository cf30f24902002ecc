"""Parts of an access: the piece that each device gets.

An access is cut where one region ends and another begins, and where a policy says so. All of it is looked up and
checked here, so that an access that cannot be done is refused before any device has been touched.
"""

from contextlib import suppress

from attrs import frozen

from decode import Direction
from emulate import PageFault
from mmio.errors import PolicyError, UnmappedAccess
from mmio.records.flags import UNMAPPED
from mmio.space.region import RangeMap, Region, Segment

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


@frozen
class Part:
    """One piece of an access, and the bytes of it (a mask) where the device has nothing.

    `label` is the region as the record has it, None for the ground.
    """

    segment: Segment
    address: int
    width: int
    flags: int
    holes: int
    recorded_region: Region | None

    @property
    def offset(self) -> int:
        """The offset as the device sees it."""
        return self.address - self.segment.base

    def of(self, whole: int, start: int) -> int:
        """This part of a value that starts at address `start`."""
        return whole >> 8 * (self.address - start) & (1 << 8 * self.width) - 1

    @property
    def is_plain(self) -> bool:
        """Return whether it is plain memory, which may be read without side effects."""
        return self.segment.optional("read_block") is not None

    @property
    def filling(self) -> int:
        """The value of the bytes that are not there."""
        return self.holes if self.segment.region.policy.unmapped == "ones" else 0

    @property
    def runs(self) -> list[tuple[int, int]]:
        """The stretches without holes, as (first byte, width)."""
        if not self.holes:
            return [(0, self.width)]
        runs: list[tuple[int, int]] = []
        for byte in range(self.width):
            if self.holes >> 8 * byte & 0xFF:
                continue
            if runs and sum(runs[-1]) == byte:
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((byte, 1))
        return runs


def cut(ranges: RangeMap, address: int, width: int, direction: Direction) -> list[Part]:
    """Cut an access into parts, in address order.

    Raises:
        UnmappedAccess: a byte has no device or no register, and the mapping's `unmapped` policy is "error"; or the
            access leaves the space.
        PolicyError: a mapping refuses its width or alignment.
    """
    end = address + width
    if address < 0 or end > ranges.ground.end:
        raise UnmappedAccess(f"the space ends at {ranges.ground.end:#x}")
    parts: list[Part] = []
    at = address
    while at < end:
        segment = ranges.find(at)
        stop = min(end, ranges.stretch_end(segment, end))
        policy = segment.region.policy
        pieces = policy.pieces(at - segment.base, stop - at, at_border=stop - at < width)
        if isinstance(pieces, str):
            what = "" if stop - at == width else f"its {stop - at} bytes at {at:#x} are "
            raise PolicyError(f"{segment.region.name!r} refuses it: {what}{pieces}")
        for first, length, flags in pieces:
            offset = at + first - segment.base
            holes = segment.holes(offset, length)
            if holes and policy.unmapped == "error":
                raise UnmappedAccess(_absence(segment, at + first, holes))
            label = segment.recorded_region and segment.recorded_region.register_view(offset, length, direction)
            parts.append(Part(segment, at + first, length, flags | (UNMAPPED if holes else 0), holes, label))
        at = stop
    return parts


def contents(parts: list[Part]) -> int | None:
    """Return what the parts of an access hold, None unless all of it is plain memory."""
    if not all(part.is_plain for part in parts):
        return None
    data = b""
    with suppress(PageFault):  # the access itself will say it better
        for part in parts:
            data += part.segment.region.device.read_block(part.offset, part.width) or b""  # type: ignore[attr-defined]
    return int.from_bytes(data, "little") if len(data) == sum(part.width for part in parts) else None


def _absence(segment: Segment, address: int, holes: int) -> str:
    """Say what is missing, at the first byte of `holes`."""
    address += (holes & -holes).bit_length() // 8
    if segment.region.is_background:
        return f"nothing is mapped at {address:#x}"
    return f"{type(segment.region.names).__name__} has no register at offset {address - segment.base:#x}"
