"""The tables in docs/effects.md are made from the code's effects. `python -m tests.docs.test_effects` writes them."""

from collections.abc import Iterable
from pathlib import Path

from mmio.device.effects import ACCESS, ON_READ, ON_WRITE, SYNONYMS

PAGE = Path(__file__).parents[2] / "docs" / "effects.md"

OLD, WRITTEN, MASK = 0b1100, 0b1010, 0b1111

MEANINGS = {
    "woclr": "a one clears its bit, a zero leaves it",
    "woset": "a one sets its bit, a zero leaves it",
    "wot": "a one inverts its bit, a zero leaves it",
    "wzc": "a zero clears its bit, a one leaves it",
    "wzs": "a zero sets its bit, a one leaves it",
    "wzt": "a zero inverts its bit, a one leaves it",
    "wclr": "any write clears all bits",
    "wset": "any write sets all bits",
    "rclr": "all bits are cleared",
    "rset": "all bits are set",
    "rw": "read and write",
    "r": "read; a write changes nothing",
    "w": "write; a read shows 0",
    "rw1": "read, and write once: then it is locked until reset",
    "w1": "write once; a read shows 0",
    "na": "neither; a read shows 0, a write changes nothing",
}


def also(name: str) -> str:
    """Return the other names of an effect."""
    return ", ".join(f"`{other}`" for other, meant in SYNONYMS.items() if meant == name)


def tables() -> dict[str, list[str]]:
    """Return each table by its name, as lines."""
    writes = [
        f"| `{name}` | {MEANINGS[name]} | {effect(OLD, WRITTEN) & MASK:04b} | {also(name)} |"
        for name, effect in ON_WRITE.items()
    ]
    reads = [
        f"| `{name}` | {MEANINGS[name]} | {effect(OLD) & MASK:04b} | {also(name)} |" for name, effect in ON_READ.items()
    ]
    order = sorted(ACCESS, key=list(MEANINGS).index)
    access = [f"| `{name}` | {MEANINGS[name]} | {also(name)} |" for name in order]
    return {
        "on_write": ["| name | effect | then it holds | also called |", "|---|---|---|---|", *writes],
        "on_read": ["| name | effect | then it holds | also called |", "|---|---|---|---|", *reads],
        "access": ["| name | software may | also called |", "|---|---|---|", *access],
    }


def with_tables(text: str) -> str:
    """Return the page with its tables as the code has them."""
    for name, lines in tables().items():
        text = replaced(text, name, lines)
    return text


def replaced(text: str, name: str, lines: Iterable[str]) -> str:
    """Return a page with other lines between the marker of a table and its end."""
    before, marker, rest = text.partition(f"<!-- {name} -->\n")
    return before + marker + "\n".join(lines) + "\n<!-- end -->\n" + rest.partition("<!-- end -->\n")[2]


def test_the_tables_are_those_of_the_code() -> None:
    """Each effect and each access stands in the page, with what the code makes of the example."""
    text = PAGE.read_text()
    assert text == with_tables(text), "run python -m tests.docs.test_effects"


def test_every_effect_has_a_meaning() -> None:
    """No effect of the code lacks its row, and no row its effect."""
    assert MEANINGS.keys() == ACCESS | ON_READ.keys() | ON_WRITE.keys()


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
