"""Contents of a report: every access is in it, with its names."""

from itertools import accumulate
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from decode import READ_WRITE, WRITE
from mmio import TraceView
from mmio.records.events import Event, Loss, Mapped, Mark
from mmio.records.printable import printable
from mmio.reports.contents import MAX_EVENTS, MAX_LANES, NONE, notes
from tests.mmio.reports.pages import contents, driven
from tests.mmio.sample_traces import START, access, accesses


def seen(view: TraceView) -> list[dict[str, Any]]:
    """Return the accesses of a report's page as dicts."""
    data, columns = contents(view.report().html())  # type: ignore[no-untyped-call, unused-ignore]
    wide = {row: (value, old) for row, value, old in data["wide"]}
    times, sequences = (
        list(accumulate(columns[name], lambda a, b: (a + b) % (1 << 64))) for name in ("time", "sequence")
    )
    found = []
    for row, spot in enumerate(columns["spot"]):
        thread, letter, width, code, flags, _ = data["sites"][columns["spotSite"][spot]]
        place = columns["spotPlace"][spot]
        space, region = data["regions"][columns["placeRegion"][place]]
        register = columns["placeRegister"][place]
        value, old = wide.get(row, (hex(columns["value"][row]), None))
        found.append(
            {
                "sequence": sequences[row],
                "time": times[row] - data["began"],
                "thread": int(thread),
                "letter": letter,
                "space": space,
                "address": columns["spotAddress"][spot],
                "width": width,
                "value": int(value, 0),
                "old": None if old is None else int(old, 0),
                "ip": int(data["code"][code][0] or "0", 0),
                "text": data["code"][code][1],
                "region": region,
                "offset": columns["spotOffset"][spot] if region is not None else None,
                "register": None if register == NONE else data["registers"][register],
                "notes": flags,
            }
        )
    return found


@given(st.lists(accesses(), max_size=20))
def test_every_access_is_in_it(given: list[Any]) -> None:
    """A page has every attribute of every access, whatever the numbers and names."""
    view = TraceView.of(given)
    wanted = [
        {name: getattr(each, name) for name in ("sequence", "time", "thread", "letter", "space", "address", "width")}
        | {"value": each.value, "old": each.old, "ip": each.ip, "text": each.text, "offset": each.offset}
        | {"region": None if each.region is None else printable(each.region), "notes": each.notes}
        | {"register": None if each.register is None else printable(each.register)}
        for each in given
    ]
    assert seen(view) == wanted


def test_a_recorded_trace_has_its_own_clock() -> None:
    """Times are counted from the beginning of the trace, as `Access.time` is."""
    trace = driven()
    assert [each["time"] for each in seen(trace)] == [each.time for each in trace]


def test_wide_and_old_values_are_kept() -> None:
    """Values beyond 64 bits and what an atomic read are there, at their rows."""
    view = TraceView.of(
        [access(0), access(1, width=16, value=1 << 100), access(2, direction=READ_WRITE, value=2, old=1)]
    )
    assert contents(view.report().html())[0]["wide"] == [[1, hex(1 << 100), None], [2, "0x2", "0x1"]]


def test_accesses_of_one_instruction_share_a_spot() -> None:
    """However often an instruction runs, what repeats is there once."""
    data, columns = contents(driven(polls=100).report().html())
    assert len(columns["spotSite"]) == len(data["sites"]) == 3
    assert len(data["code"]) == 3


def test_code_has_its_function_and_line() -> None:
    """An instruction is named by function, functions inlined in it, module and source line."""
    ip, text, name, functions, module, line = contents(driven().report().html())[0]["code"][1]
    assert (ip, text, name) == ("0x401020", "mov eax,[rdi+4]", "uart_poll+0x20")
    assert (functions, module) == (["uart_poll", "readl"], "uart.so")
    assert line == "readl io.h:12 ← uart_poll uart.c:57"


def test_words_of_a_file_are_kept_where_the_fields_do_not_tell() -> None:
    """What the records say of a value is in the page unless it is just the fields in numbers."""
    plain = access(0, value=3, layout=(("EN", 0, 0),), describe=lambda offset, width, value: "EN=1")
    named = access(1, value=3, layout=(("EN", 0, 0),), describe=lambda offset, width, value: "EN=ON")
    zero = access(2, value=2, layout=(("EN", 0, 0),), describe=lambda offset, width, value: "EN=OFF")
    data, columns = contents(TraceView.of([plain, named, zero]).report().html())
    assert data["words"] == [[columns["spot"][1], "0x3", "EN=ON"]]


def test_lanes_are_in_the_order_of_addresses() -> None:
    """A lane is a register; they stand by region and offset, whichever was accessed first."""
    view = TraceView.of([access(0, offset=8, register="B"), access(1, offset=0, register="A"), access(2, region="a")])
    data, columns = contents(view.report().html())
    assert data["lanes"] == ["a.STATUS", "timer.A", "timer.B"]
    assert columns["placeLane"] == [2, 1, 0]


def test_too_many_places_share_lanes() -> None:
    """Of more places than lanes, those of an array share one, and those without a name that lie near each other."""
    fifo = [access(n, offset=4 * n, register=f"FIFO[{n}]") for n in range(MAX_LANES)]
    memory = [access(MAX_LANES + n, region="ram", register=None, offset=4 * n) for n in range(4096)]
    lanes = contents(TraceView.of([*fifo, *memory]).report().html())[0]["lanes"]
    assert lanes[0] == "ram+0x0..0x100"
    assert lanes[-1] == "timer.FIFO[…]"
    assert len(lanes) == 4096 * 4 // 0x100 + 1


def test_notes_stand_before_the_access_that_follows() -> None:
    """Marks and losses are listed with the row of the next access; regions that appear are not."""
    events: list[Event] = [Mapped(3, 1, 1, "memory", "uart", START, 16), Mark(5, 7, "ready\x1b"), Loss(9, 8, 3)]
    assert notes(events, [4, 5, 6]) == [[1, 7, "Mark", r"ready\x1b"], [3, 8, "Loss", "3 accesses are missing here"]]


def test_notes_are_bounded() -> None:
    """Of very many marks the first are listed."""
    assert len(notes((Mark(n, n, "m") for n in range(MAX_EVENTS + 5)), range(10))) == MAX_EVENTS


def test_an_access_outside_of_regions_has_its_address() -> None:
    """Where nothing is mapped, and for ports, the place is a number."""
    view = TraceView.of(
        [access(0, region=None, offset=None, register=None, space="port", address=0x70, direction=WRITE)]
    )
    data, columns = contents(view.report().html())
    assert data["lanes"] == ["port 0x70"]
    assert columns["spotOffset"] == [0x70]
