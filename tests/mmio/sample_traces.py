"""Accesses and traces to test with: by hand, from a small machine, and from hypothesis."""

from typing import Any

from hypothesis import strategies as st

from decode import READ, READ_WRITE, WRITE, Direction, decode
from mmio import Access, AddressSpace, Initiator, Trace
from mmio.records.events import Located, Loss, Mapped, Mark, PciDevice, Record, Started, Undecoded, Unmapped

START = 0xFE000000
MOV = decode(bytes.fromhex("8b4710"))  # mov eax,[rdi+10h]
ADD = decode(bytes.fromhex("f0830701"))  # lock add dword ptr [rdi],1
POLL = Located(0, 0, 0x401000, "driver.so", 0x1000, "poll", 4, "driver.c:42")  # where `access` is made
OUT = decode(bytes.fromhex("ee"))  # out dx,al


class Timer:
    """A device of bytes that names two registers and says what is in them."""

    def __init__(self) -> None:
        self.data = bytearray(0x100)

    def read(self, offset: int, width: int) -> int:
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        self.data[offset : offset + width] = value.to_bytes(width, "little")

    def name_at(self, offset: int, width: int) -> str | None:
        return {0: "CTRL", 4: "STATUS"}.get(offset)

    def describe(self, offset: int, width: int, value: int) -> str:
        return f"EN={value & 1}"


def machine(trace: Trace, thread: int = 0) -> Initiator:
    """Return an initiator of a space with a timer at `START` and a CMOS at port 0x70."""
    space = AddressSpace(trace)
    space.map(START, 0x100, Timer(), "timer")
    space.map_ports(0x70, 2, Timer(), "cmos")
    initiator = space.initiator(thread)
    initiator.ip, initiator.instruction = 0x401000, MOV
    return initiator


def access(sequence: int = 0, **changes: Any) -> Access:
    """Return a read of the timer's STATUS, or what `changes` make of it."""
    given: dict[str, Any] = {
        "time": sequence * 1000,
        "thread": 0,
        "direction": READ,
        "space": "memory",
        "address": START + 4,
        "width": 4,
        "value": 3,
        "ip": 0x401000,
        "region": "timer",
        "offset": 4,
        "register": "STATUS",
    }
    return Access(sequence, **(given | changes))


NUMBERS = st.integers(0, (1 << 64) - 1)
TIMES = st.integers(0, 10**15)
NAMES = st.text(min_size=1, max_size=20)


@st.composite
def accesses(draw: st.DrawFn) -> Access:
    """Accesses of every kind."""
    width = draw(st.sampled_from((1, 2, 3, 4, 6, 8, 10, 16, 32, 64, 512)))
    values = st.integers(0, (1 << 8 * width) - 1)
    direction = draw(st.sampled_from((READ, WRITE, READ_WRITE)))
    region = draw(st.none() | NAMES)
    return Access(
        sequence=draw(NUMBERS),
        time=draw(TIMES),
        thread=draw(NUMBERS),
        direction=direction,
        space=draw(st.sampled_from(("memory", "port"))),
        address=draw(NUMBERS),
        width=width,
        value=draw(values),
        old=draw(values) if direction == READ_WRITE else None,
        ip=draw(NUMBERS),
        instruction=draw(st.none() | st.sampled_from((MOV, ADD, OUT))),
        region=region,
        offset=None if region is None else draw(NUMBERS),
        register=None if region is None else draw(st.none() | NAMES),
        flags=draw(st.integers(0, 63)),
    )


def events() -> st.SearchStrategy[Record]:
    """Events of every kind."""
    seven = st.tuples(*[NUMBERS] * 7)
    place = {"sequence": NUMBERS, "time": TIMES}
    space = st.sampled_from(("memory", "port"))
    return st.one_of(
        st.builds(Started, **place, wall=NUMBERS),
        st.builds(Mapped, **place, number=NUMBERS, space=space, name=NAMES, start=NUMBERS, length=NUMBERS),
        st.builds(Unmapped, **place, number=NUMBERS),
        st.builds(Mark, **place, text=st.text()),
        st.builds(Loss, **place, count=NUMBERS),
        st.builds(
            Located,
            **place,
            ip=NUMBERS,
            module=NAMES,
            offset=NUMBERS,
            symbol=st.text(),
            into=NUMBERS,
            line=st.text(),
            calls=st.text(),
        ),
        st.builds(Undecoded, **place, region=NUMBERS, address=NUMBERS, code=st.binary(max_size=15), ip=NUMBERS),
        st.builds(
            PciDevice,
            **place,
            bus=NUMBERS,
            devfn=NUMBERS,
            vendor=NUMBERS,
            device=NUMBERS,
            irq=NUMBERS,
            resources=seven,
            sizes=seven,
            driver=st.text(),
        ),
    )


REGIONS = tuple(Mapped(0, 0, n + 1, "memory", f"card {n}", START + n * 0x10000, 0x1000) for n in range(3))


@st.composite
def plain_accesses(draw: st.DrawFn) -> Access:
    """Accesses of which a mmiotrace log keeps everything but the number: those of Linux's drivers."""
    width = draw(st.sampled_from((1, 2, 4, 8)))
    region = draw(st.none() | st.sampled_from(REGIONS))
    offset = draw(st.integers(0, 0x1000 - width))
    direction: Direction = draw(st.sampled_from((READ, WRITE)))
    return Access(
        sequence=0,
        time=draw(TIMES) // 1000 * 1000,
        thread=0,
        direction=direction,
        space="memory",
        address=draw(NUMBERS) if region is None else region.start + offset,
        width=width,
        value=draw(st.integers(0, (1 << 8 * width) - 1)),
        ip=draw(NUMBERS),
        region=None if region is None else region.name,
        offset=None if region is None else offset,
    )
