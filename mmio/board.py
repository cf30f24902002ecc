"""`python -m mmio.board --include` prints the directory of `pagetrap_cmsis.h`, for the compiler's -I.

The function `mmio.board` is in `mmio/boards`. Importing this module by its name puts the module in the place of the
function, so it can be called as that.
"""

import sys
from types import ModuleType
from typing import Any

from mmio.cortex_m.intrinsics import INCLUDE


class _Function(ModuleType):
    """This module, as the function of the same name."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Do what `mmio.boards.board` does."""
        from mmio.boards import board

        return board(*arguments, **options)


def main(arguments: list[str]) -> int:
    """Print what is asked for; return the exit status."""
    if arguments != ["--include"]:
        print("usage: python -m mmio.board --include", file=sys.stderr)
        print("Prints the directory of pagetrap_cmsis.h: cc -I$(python -m mmio.board --include) …", file=sys.stderr)
        return 2
    print(INCLUDE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
sys.modules[__name__].__class__ = _Function
