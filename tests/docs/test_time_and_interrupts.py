"""The tables in docs/time-and-interrupts.md. `python -m tests.docs.test_time_and_interrupts` writes them."""

from pathlib import Path

from mmio.device.time_policy import FORMS
from mmio.program.time_calls import table

PAGE = Path(__file__).parents[2] / "docs" / "time-and-interrupts.md"


def with_tables(text: str) -> str:
    """Return the page with its tables as the source has them."""
    rows = [f"| `{form}` | {meaning} |" for form, meaning in FORMS]
    policies = "\n".join(["| policy | what advances the clock |", "|---|---|", *rows])
    for name, made in (("policies", policies), ("calls", table())):
        begin, _, rest = text.partition(f"<!-- {name} -->\n")
        text = f"{begin}<!-- {name} -->\n{made}\n<!-- end -->\n{rest.partition('<!-- end -->' + chr(10))[2]}"
    return text


def test_the_tables_are_those_of_the_source() -> None:
    """Each policy and each system call is listed, as the source says it."""
    text = PAGE.read_text()
    assert text == with_tables(text), "run python -m tests.docs.test_time_and_interrupts"


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
