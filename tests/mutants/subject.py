"""The process that is faulty: loads the sources with one text replaced, then runs laws until one of them notices.

`python -m tests.mutants.subject NUMBER OPERATIONS` prints the law's name; nothing when none noticed. Number -1 is no
fault at all. Only this process is ever faulty: no file is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

import attrs

from tests.mutants.table import CONTROL, MUTANTS, Mutant


class _FaultyLoader(SourceFileLoader):
    """Loads a module with the mutant's text replaced, past any stored bytecode."""

    def __init__(self, name: str, path: str, mutant: Mutant) -> None:
        super().__init__(name, path)
        self._mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        """Compile the changed source."""
        source = self.get_data(self.path).decode()
        if source.count(self._mutant.old) != 1:
            raise LookupError(f"{fullname} has {self._mutant.old!r} {source.count(self._mutant.old)} times, not once")
        code = self.source_to_code(source.replace(self._mutant.old, self._mutant.new).encode(), self.path)
        assert isinstance(code, CodeType)
        return code


class Infection(MetaPathFinder):
    """Finds the mutant's module, and no other, with the fault in it."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the mutant's module."""
        if fullname != self._mutant.module:
            return None
        spec = PathFinder.find_spec(fullname, path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _FaultyLoader(fullname, spec.origin, self._mutant)
        return spec


def noticed(mutant: Mutant) -> str | None:
    """Put the fault in, run the laws, the expected one first; return the name of the first that fails."""
    sys.meta_path.insert(0, Infection(mutant))
    from tests.mutants.laws import laws  # which imports what is to be faulty, so not before

    checks = laws(mutant.operations.split())
    for law in sorted(checks, key=lambda law: law != mutant.law):
        try:
            checks[law]()
        except BaseException as error:  # pytest's failures are no Exceptions
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return law
    return None


if __name__ == "__main__":
    number, operations = int(sys.argv[1]), sys.argv[2]
    print(noticed(attrs.evolve(CONTROL if number < 0 else MUTANTS[number], operations=operations)) or "")
