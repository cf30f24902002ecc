"""Hits as values, and how they read."""

from decode import READ, WRITE, decode
from mmio.records.access import Access
from mmio.records.symbols import Location, Symbols
from mmio.watchpoints.hit import Hit, WatchpointStop, table

STORE = decode(bytes.fromhex("8907"))


class Known(Symbols):
    """Knows one function, at 0x401000."""

    def __init__(self) -> None:
        pass

    def locate(self, ip: int) -> Location | None:
        return Location("lib.so", ip, "work", 4, "work.c:8") if ip == 0x401000 else None


def _hit(number: int = 1, ip: int = 0x401000, thread: int = 1, **changes: object) -> Hit:
    access = Access(0, 0, thread, WRITE, "memory", 0x1000, 4, 5, ip=ip, instruction=STORE)
    values = {"old": b"\0\1", "new": b"\5\0", "symbols": Known()} | changes
    return Hit(number, access, "buffer", 16, **values)  # type: ignore[arg-type]


def test_a_hit_reads_on_one_line() -> None:
    """Which bytes became what, who did it, and the instruction."""
    assert str(_hit()) == "W 4 buffer[16:18] 00 01 -> 05 00 by work work.c:8: mov [rdi],eax"
    assert str(_hit(old=None, new=b"\5", ip=0x77)) == "W 4 buffer[16] 05 by 0x77: mov [rdi],eax"
    assert str(WatchpointStop(_hit())) == str(_hit())


def test_a_read_changes_nothing() -> None:
    """It shows what was read, once."""
    access = Access(0, 0, 1, READ, "memory", 0x1000, 1, 5)
    hit = Hit(1, access, "buffer", 0, b"\5", b"\5")
    assert str(hit) == "R 1 buffer[0] 05"
    assert not hit.changed


def test_where_it_was() -> None:
    """The instruction pointer resolves to a function and a line, if these are known."""
    assert (_hit().function, _hit().line) == ("work", "work.c:8")
    for unknown in (_hit(ip=0x77), _hit(symbols=None)):
        assert (unknown.location, unknown.function, unknown.line) == (None, "", "")


def test_hits_are_values() -> None:
    """Two hits are equal when they say the same, whatever knows the names."""
    assert _hit() == _hit(symbols=None)
    assert _hit() != _hit(new=b"\6\0")
    assert len({_hit(), _hit()}) == 1


def test_a_table_of_hits() -> None:
    """A row each; threads are distinguished when there are several."""
    assert table([_hit(), _hit(2, ip=0x77)]) == (
        "hit  R/W  width  bytes          old    new    by             instruction\n"
        "  1  W        4  buffer[16:18]  00 01  05 00  work work.c:8  mov [rdi],eax\n"
        "  2  W        4  buffer[16:18]  00 01  05 00  0x77           mov [rdi],eax"
    )
    assert "thread" in table([_hit(), _hit(thread=2)])
    assert table([]) == "no hits"


def test_a_notebook_gets_html() -> None:
    """Escaped, with the number of hits."""
    html = table([_hit(symbols=None)], html=True)
    assert "1 hits" in html
    assert "<td" in html
