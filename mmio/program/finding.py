"""Find the file of a program by its name."""

import errno
import os
import shutil
from collections.abc import Mapping


def find_program(name: str, environment: Mapping[str, str]) -> str:
    """Return the path of a program, as execvp(3) finds it in the PATH of an environment.

    Raises:
        FileNotFoundError: there is none of this name.
        IsADirectoryError: it is a directory.
        PermissionError: there is a file, which may not be executed.
    """
    path = shutil.which(name, path=environment.get("PATH", os.defpath))
    if path is not None:
        return path
    if "/" in name and os.path.isdir(name):
        raise IsADirectoryError(errno.EISDIR, "it is a directory, expected a program", name)
    if "/" in name and os.path.isfile(name):
        raise PermissionError(errno.EACCES, "it may not be executed: chmod +x, if it is a program", name)
    raise FileNotFoundError(errno.ENOENT, "no such program, in PATH or as a file that can be executed", name)
