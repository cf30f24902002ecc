"""Golden files of a test run: those of one test, and the run's final report on all of them.

pytest-xdist runs tests in processes of their own. Each says what it has used; the process that gives out the tests puts
it together, and alone says what nothing has used.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from mmio.records.access import Access
from mmio.traces.golden import SUFFIX, GoldenError, Missing, compare, folder_of, golden_path

_NOT_IN_NAMES: Final = re.compile(r"[^\w+=,@.-]+")
_LONGEST: Final = 100  # characters of a name that is made of a test's


class GoldenRun:
    """The golden files of a run.

    Attributes:
        update: whether files are written anew.
        missing: what becomes of a missing file, None for what `mmio.assert_trace` does.
    """

    def __init__(self, update: bool = False, missing: Missing | None = None) -> None:
        self.update = update
        self.missing = missing
        self._used: set[str] = set()
        self._owners: dict[str, str] = {}
        self._written: set[str] = set()
        self._modules: set[str] = set()  # those with a test that has run
        self._partial: set[str] = set()  # those of which a test has not run to its end

    def ran(self, module: Path, whole: bool) -> None:
        """Take that a test of a module has run; `whole`: to its end."""
        self._modules.add(str(module))
        if not whole:
            self._partial.add(str(module))

    def claim(self, path: Path, test: str) -> None:
        """Take a file for a test, of which it has its name. Raises GoldenError if another test has it."""
        owner = self._owners.setdefault(str(path), test)
        if owner != test:
            raise GoldenError(f"{test} and {owner} would have the same golden file, {path.name}; give it a name")

    def compare(self, trace: Sequence[Access], path: Path, **options: Any) -> None:
        """Compare a trace with a file, and remember that it was used."""
        __tracebackhide__ = True
        self._used.add(str(path))
        if compare(trace, path, update=self.update, missing=self.missing, **options):
            self._written.add(str(path))

    def told(self) -> dict[str, list[str]]:
        """Return what this process has to say, for the one that gives out tests."""
        return {name.removeprefix("_"): sorted(getattr(self, name)) for name in self._parts()}

    def take(self, told: Mapping[str, Iterable[str]]) -> None:
        """Take what another process had to say."""
        for name in self._parts():
            getattr(self, name).update(told.get(name.removeprefix("_"), ()))

    def report(self, root: Path, all_ran: bool = True) -> Iterator[str]:
        """Iterate over the lines to be shown at the end of the run.

        Args:
            root: the folder that paths are shown relative to.
            all_ran: whether all tests of the modules were chosen to run; else no file is unused.
        """
        for path in sorted(self._written):
            yield f"golden file written: {_relative(path, root)}"
        if not all_ran:
            return
        unused = [
            str(path)
            for module in sorted(self._modules - self._partial)
            for path in sorted(_files(Path(module)))
            if str(path) not in self._used
        ]
        for path in unused:
            yield f"golden file unused: {_relative(path, root)}; no test of its module asks for it, so remove it"

    @staticmethod
    def _parts() -> tuple[str, ...]:
        return "_used", "_written", "_modules", "_partial"


class Golden:
    """Compares traces with golden files beside a test module: `golden(mapping.trace)`.

    Args:
        run: the run.
        module: the file of the test.
        test: the name of the test, of which a file has its name.
    """

    def __init__(self, run: GoldenRun, module: Path, test: str) -> None:
        self._run = run
        self._module = module
        self._test = test
        self._names: list[str] = []

    def __call__(
        self,
        trace: Sequence[Access],
        name: str | None = None,
        *,
        volatile: Iterable[str] = (),
        fold: bool | Iterable[str] = True,
    ) -> None:
        """Demand that a trace is like the golden one, see `mmio.assert_trace`.

        Args:
            trace: what a driver has done now.
            name: of the file; that of the test when left out, with a number from the second one on.
            volatile: registers and fields whose values differ from run to run.
            fold: whether polls that continue are one, or the registers that are polled.

        Raises:
            AssertionError: the trace is not like the file, or the file is missing and must not be.
            GoldenError: the name is none or was used in this test, the file is none, or of another device.
        """
        __tracebackhide__ = True
        own = name is None
        if name is None:
            count = len(self._names)
            name = _NOT_IN_NAMES.sub("-", self._test)[:_LONGEST].strip("-.") + (f"@{count + 1}" if count else "")
        path = golden_path(name, folder_of(self._module))
        if own:
            self._run.claim(path, self._test)
        if name in self._names:
            raise GoldenError(f"this test has compared a trace with {name!r} before; give each a name of its own")
        self._names.append(name)
        self._run.compare(trace, path, volatile=volatile, fold=fold)


def _files(module: Path) -> Iterable[Path]:
    try:
        return folder_of(module).glob(f"[!.]*{SUFFIX}")
    except GoldenError:
        return ()


def _relative(path: str, root: Path) -> str:
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path
