"""Values, phases and functions of a timeline, in bounded memory."""

from decode import READ_WRITE, WRITE
from mmio.pictures.notes import FUNCTIONS, PHASES, VALUES, Notes, Span
from mmio.records.events import Located, Mark
from tests.mmio.sample_traces import access

STATUS = ("memory", "timer.STATUS")


def test_values_are_the_last_of_each_time() -> None:
    """Reads and writes are apart, an atomic is both, and of several at one time the last one counts."""
    notes = Notes()
    made = [access(0, value=1), access(1, time=0, value=2), access(2, value=3, old=2, direction=READ_WRITE)]
    for one in made:
        notes.take(one)
    assert notes.values(STATUS, "R") == {0: made[1], 2000: made[2]}
    assert notes.values(STATUS, "W") == {2000: made[2]}
    assert notes.values(("memory", "timer.CTRL"), "R") == {}


def test_a_busy_register_has_no_values() -> None:
    """Of more values than could be read none is kept, whatever comes later; the other direction keeps its own."""
    notes = Notes()
    for n in range(3 * VALUES):
        notes.take(access(n))
    notes.take(access(9999, direction=WRITE))
    assert notes.values(STATUS, "R") == {}
    assert len(notes.values(STATUS, "W")) == 1


def test_phases_begin_at_marks() -> None:
    """Each mark begins a phase; of too many there is none."""
    notes = Notes()
    notes.take(Mark(0, 5, "open"))
    notes.take(Mark(1, 7, "close"))
    assert notes.phases == [Span(5, "open"), Span(7, "close")]
    for n in range(PHASES):
        notes.take(Mark(2, n, "again"))
    assert notes.phases == []


def test_functions_are_runs_of_accesses() -> None:
    """A function is at work from its first access to the first one of another; what has no name is a gap."""
    notes = Notes()
    for ip, symbol in ((1, "open"), (2, "open"), (3, "poll"), (5, "")):
        notes.take(Located(0, 0, ip, "driver.so", 0, symbol, 0, ""))
    for n, ip in enumerate((1, 2, 1, 3, 4, 5)):
        notes.take(access(n, ip=ip))
    assert notes.functions == [Span(0, "open"), Span(3000, "poll"), Span(4000, ""), Span(5000, "driver.so")]


def test_without_names_there_are_no_functions() -> None:
    """A trace that does not say where code is has none, and neither has one that changes between two all the time."""
    notes = Notes()
    notes.take(access(0, ip=1))
    assert notes.functions == []
    notes.take(Located(0, 0, 1, "driver.so", 0, "open", 0, ""))
    for n in range(2 * FUNCTIONS):
        notes.take(access(n, ip=n % 2))
    assert notes.functions == []
