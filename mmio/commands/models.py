"""Load device models from Python files, and attribute failures to the model or to pagetrap.

A model is a user's code in the making. When it fails, the user gets its traceback from the first line of the model on;
pagetrap's lines above it would only be in the way.
"""

import sys
import traceback
from collections.abc import Callable, Collection, Sequence
from difflib import get_close_matches
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from inspect import signature
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

from mmio.device.device import Device
from mmio.errors import MmioError
from mmio.space.region import DeviceLike

if TYPE_CHECKING:
    from mmio.pci.function import PciFunction


class ModelError(MmioError):
    """A device model cannot be loaded, or has failed. The message may contain a traceback."""


def load_device(file: str, name: str) -> DeviceLike:
    """Return a device from a Python file: of a class or a function, called without arguments, or made there already.

    A file is executed once, however many of its devices are wanted.

    Raises:
        ModelError: there is no such file or class, or making the device fails; the message says which.
    """
    device = made_of(file, name, DeviceLike)
    if isinstance(device, DeviceLike):
        for method, given in ((device.read, ("offset", "width")), (device.write, ("offset", "width", "value"))):
            _check_signature(method, given, f"{file}: {name}")
        return device
    if hasattr(device, "config") and hasattr(device, "bars"):
        raise ModelError(f"{file}: {name} is a PCI function, whose place is an address: {file}:{name}@pci:00:03.0")
    raise ModelError(f"{file}: {name} is not a device: it needs read(offset, width) and write(offset, width, value)")


def load_function(file: str, name: str) -> "PciFunction":
    """Return a PCI function from a Python file, as `load_device` does.

    Raises:
        ModelError: there is no such file or class, or making the function fails; the message says which.
    """
    from mmio.pci.function import PciFunction  # here, for few commands need it

    function = made_of(file, name, PciFunction)
    if not isinstance(function, PciFunction):
        expected = "pci:ADDRESS takes a mmio.pci.PciFunction, with the device in a Bar"
        raise ModelError(f"{file}: {name} is not a PCI function: {expected}")
    return function


def made_of(file: str, name: str, *kinds: type) -> object:
    """Return what a name of a Python file stands for: of one of the kinds already, or else what calling it returns.

    Raises:
        ModelError: there is no such file or name, or calling it fails; the message says which.
    """
    path = Path(file).absolute()
    module = _load(file, path)
    made = getattr(module, name, None)
    if not isinstance(made, type) and isinstance(made, kinds):
        return made
    if not callable(made):
        classes = [key for key, value in vars(module).items() if _is_own_class(value, module)]
        hint = get_close_matches(name, classes, 1, cutoff=0.4)
        meant = f"; did you mean {hint[0]}?" if hint else f"; it has {', '.join(classes) or 'none'}"
        raise ModelError(f"{file} has no class {name!r}{meant}")
    try:
        result: object = made()
    except (Exception, SystemExit) as error:
        shown = blamed(error, {str(path)})
        if shown is None:  # raised by the call itself: nothing of the model has run
            raise ModelError(f"{file}: {name} cannot be made without arguments: {error}") from error
        raise ModelError(f"{file}: {name}() failed\n{shown}") from error
    return result


def load_class(file: str, name: str) -> type[Device]:
    """Return a Device class from a Python file: the class itself, or that of a device that `load_device` returns.

    Raises:
        ModelError: there is no such file or class, or it is of no Device; the message says which.
    """
    made = getattr(_load(file, Path(file).absolute()), name, None)
    if isinstance(made, type) and issubclass(made, Device):
        return made
    device: Any = load_device(file, name)
    device = getattr(device, "device", device)  # Spaced, and what else stands in front of one
    if not isinstance(device, Device):
        raise ModelError(f"{file}: {name} declares no registers: it is not a mmio.Device")
    return type(device)


def call_with_board(file: str, name: str, board: object) -> None:
    """Call a function of a Python file, which puts models into a board.

    Raises:
        ModelError: there is no such file or function, or it fails; the message says which.
    """
    path = Path(file).absolute()
    module = _load(file, path)
    function = getattr(module, name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        hint = get_close_matches(name, functions, 1, cutoff=0.4)
        raise ModelError(f"{file} has no function {name!r}{f'; did you mean {hint[0]}?' if hint else ''}")
    try:
        function(board)
    except (Exception, SystemExit) as error:
        shown = blamed(error, {str(path)}) or "".join(traceback.format_exception_only(error)).rstrip()
        raise ModelError(f"{file}: {name}(board) failed\n{shown}") from error


def _check_signature(method: Callable[..., object], given: Sequence[str], whose: str) -> None:
    """Check that a method can be called with so many arguments: an error in the middle of an access comes late."""
    try:
        taken = signature(method)
    except (TypeError, ValueError):  # of a builtin, which does not tell
        return
    try:
        taken.bind(*given)
    except TypeError:
        raise ModelError(f"{whose}.{method.__name__}{taken} must take ({', '.join(given)})") from None


def blamed(error: BaseException, files: Collection[str]) -> str | None:
    """Return the traceback of an error from where one of the files comes in, None when none does."""
    at: TracebackType | None = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename not in files:
        at = at.tb_next
    if at is None:
        return None
    return "".join(traceback.format_exception(type(error), error, at)).rstrip()


@cache
def _load(file: str, path: Path) -> ModuleType:
    spec = spec_from_file_location(path.stem, path)
    if path.is_dir():
        raise ModelError(f"{file}: it is a directory, expected a Python file")
    if not path.exists() or spec is None or spec.loader is None:
        raise ModelError(
            f"{file}: no such file; a device is FILE.py:CLASS@WHERE, where FILE is a relative or absolute path"
        )
    module = module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.parent))  # a model may import what lies beside it
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        shown = "".join(traceback.format_exception_only(error)).rstrip()
        line = "" if error.lineno is None else f", line {error.lineno}"
        raise ModelError(f"{file}: is not valid Python{line}\n{shown}") from error
    except (Exception, SystemExit) as error:
        shown = blamed(error, {str(path)}) or "".join(traceback.format_exception_only(error)).rstrip()
        raise ModelError(f"{file}: cannot be imported\n{shown}") from error
    return module


def _is_own_class(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__
