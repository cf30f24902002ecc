"""Renew the outputs that pages show: `python -m tests.docs.renew docs/cookbook.md …`.

Each page is run as its test runs it. Where a block prints something else than the page shows, the page gets what it
printed; of an error whose traceback is left out ("…"), the message. Any other output with a "…" was written by hand,
and an error where none was is no output to show: the place is named instead.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.documents import TOP, Block, Page, printed, shows


def written(block: Block, output: str) -> str:
    """Return how a page has a block, from its first line to the end of its output."""
    if block.language == "console":
        return f"$ {block.code}\n{output}"
    return f"```python\n{block.code}```\n" + (f"\n```\n{output}```\n" if output else "")


def new_output(block: Block, output: str) -> str | None:
    """Return what a page should show of an output, or None for one to look at: written by hand, or now an error."""
    if "Traceback" in output and not block.output.startswith(("…", "Traceback")):
        return None
    if "…" not in block.output:
        return f"{output.rstrip()}\n" if output.strip() else ""
    opening, _, message = block.output.partition("\n")
    if opening in ("…", "Traceback …") and output.startswith("Traceback") and message.count("\n") == 1:
        return f"{opening}\n{output.rstrip().splitlines()[-1]}\n"
    return None


def renewed(page: Page, outputs: list[str]) -> tuple[str, list[Block]]:
    """Return the text of a page with new outputs, and the blocks that have to be looked at."""
    done, rest, by_hand = "", page.text, []
    for block, output in zip(page.blocks, outputs, strict=True):
        if block.language == "file" or shows(block.output, output):
            continue
        new = new_output(block, output)
        if new is None:
            by_hand.append(block)
            continue
        before, old, rest = rest.partition(written(block, block.output))
        done += before + (written(block, new) if old else "")
    return done + rest, by_hand


def renew(paths: list[str]) -> Iterator[str]:
    """Renew pages; yield a line for each block that has to be looked at."""
    for path in paths:
        page = Page(path)
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "examples").symlink_to(TOP / "examples")
            text, by_hand = renewed(page, printed(page.blocks, Path(folder)))
        (TOP / path).write_text(text)
        yield from (f"{block.place}: look at it: it prints something else" for block in by_hand)


if __name__ == "__main__":
    print(*renew(sys.argv[1:]), sep="\n")
