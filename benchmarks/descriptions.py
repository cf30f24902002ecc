"""Reading register descriptions: one peripheral of a large chip, and all of them.

python -m benchmarks.descriptions [FILE.svd]

Without a file it takes the STM32F429 (83 peripherals, 2 MB) that comes with pyOCD. The first row is the parser alone,
the floor of reading a file for the first time; in the others but the last the file has been parsed before.
"""

import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from benchmarks.measure import Timing, compare, report
from mmio import DescriptionWarning, SvdFile, from_svd
from mmio.descriptions.svd import document

CHIP = "STM32F429x.svd"


def _file(folder: str) -> Path:
    if len(sys.argv) > 1 and sys.argv[1].endswith(".svd"):
        return Path(sys.argv[1])
    found = find_spec("pyocd")
    if found is None or found.origin is None:
        raise ImportError("the figures of descriptions need pyocd: pip install pyocd")
    with ZipFile(Path(found.origin).parent / "debug/svd/svd_data.zip") as archive:
        return Path(archive.extract(CHIP, folder))


def _repeated(call: Callable[[], object]) -> Callable[[int], None]:
    def run(calls: int) -> None:
        for _ in range(calls):
            call()

    return run


def measure() -> list[tuple[str, list[Timing]]]:
    """Time the parser, a small, the largest and all peripherals."""
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", DescriptionWarning)
        path = _file(folder)
        content = path.read_bytes()
        chip = SvdFile(path)
        sizes = {name: len(chip[name].layout.places) for name in chip}
        small, large = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)

        def cold() -> object:
            document._latest.clear()
            return [SvdFile(path)[name] for name in sizes]

        alternatives = {
            "lxml, parsing the file": lambda: document._root(path, content),
            f"one peripheral of {sizes[small]} registers": lambda: from_svd(path, small),
            f"one peripheral of {sizes[large]} registers": lambda: from_svd(path, large),
            f"all {len(sizes)} peripherals, parsing included": cold,
        }
        title = f"reading {path.name}, {len(content) / 1e6:.1f} MB, {sum(sizes.values())} registers"
        return [(title, compare({name: _repeated(call) for name, call in alternatives.items()}, calls=1, rounds=5))]


if __name__ == "__main__":
    report(measure())
