"""The process of the command line: `pagetrap`, also `python -m pagetrap`.

What it imports is there even when `decode`, `emulate` or `mmio` is another distribution's package.
"""

import sys

from pagetrap.collisions import collisions, lacking, message


def command() -> int:
    """Run `pagetrap` as a process of its own, and return its exit status.

    Where a package is not pagetrap's, or a dependency is missing, `pagetrap doctor` is the only command that works.
    """
    found, missing = collisions(), lacking()
    if not found and not missing:
        from mmio.__main__ import command as run

        return run()
    if sys.argv[1:2] == ["doctor"]:
        from pagetrap.doctor import run as examine

        return examine(as_json="--json" in sys.argv)
    if found:
        print(f"pagetrap: {message(found)}", file=sys.stderr)
    else:
        needed = " ".join(missing)
        print(f"pagetrap: not installed: {needed}; {sys.executable} -m pip install {needed}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(command())
