"""Facts of Python, of pagetrap's own files, of its dependencies and extras, and of other programs."""

import base64
import hashlib
import importlib.metadata
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from pagetrap import collisions
from pagetrap.doctor.finding import Finding, findings

_LEAST: Final = (3, 11)
_TRIED: Final = (3, 14)
_LEFT_OUT: Final = ("docs", "test")
"""Extras of those who work on pagetrap itself."""

_TOOLS: Final = (
    ("cc", "compiles drivers and firmware for tests"),
    ("gdb", "a debugger that pagetrap can watch memory for"),
    ("memtool", "reads and writes device memory"),
    ("qemu-system-x86_64", "runs guests, from version 10.1 on"),
)


class Requirement(NamedTuple):
    """A requirement of the metadata: `rich>=13; extra == "cli"`."""

    name: str
    least: str
    extra: str


def python() -> Iterator[Finding]:
    """Yield the findings about the interpreter."""
    yield from findings("version", _version)
    yield from findings("GIL", _gil)


def packages() -> Iterator[Finding]:
    """Yield whether `decode`, `emulate` and `mmio` are pagetrap's, and whole."""
    yield from findings("import names", _own_packages)
    yield from findings("other distributions", _rivals)
    yield from findings("installed files", _files)


def dependencies() -> Iterator[Finding]:
    """Yield what is there of the requirements and of each extra."""
    yield from findings("requirements", _required)
    yield from findings("extras", _extras)


def tools() -> Iterator[Finding]:
    """Yield where the programs are that pagetrap is used with."""
    for name, purpose in _TOOLS:
        path = shutil.which(name)
        yield Finding(name, "absent" if path is None else "ok", f"not on PATH; {purpose}" if path is None else path)


def _version() -> Iterable[Finding]:
    found = sys.version_info[:2]
    detail = f"{sys.implementation.name} {sys.version.split()[0]}, {sys.executable}"
    if sys.implementation.name != "cpython":
        return [Finding("version", "failed", f"{detail}; the engines call the C API of CPython", "")]
    if found < _LEAST:
        return [Finding("version", "failed", f"{detail}; expected 3.11 or later", "")]
    if found > _TRIED:
        return [Finding("version", "warning", f"{detail}; nothing after 3.14 has been tried")]
    return [Finding("version", "ok", detail)]


def _gil() -> Iterable[Finding]:
    is_enabled = getattr(sys, "_is_gil_enabled", lambda: True)()
    if not is_enabled:
        advice = "the engines need the GIL; start Python with -X gil=1 or PYTHON_GIL=1"
        return [Finding("GIL", "failed", f"off; {advice}", "")]
    free = " in a free-threaded build" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return [Finding("GIL", "ok", f"on{free}")]


def _own_packages() -> Iterator[Finding]:
    damaged = {collision.package: collision for collision in collisions.collisions()}
    for package in collisions.PACKAGES:
        if package in damaged:
            steps = "; ".join(collisions.remedy([damaged[package]]))
            yield Finding(package, "failed", f"{damaged[package]}; to mend it: {steps}", "")
        else:
            yield Finding(package, "ok", collisions.place(package))


def _rivals() -> Iterator[Finding]:
    for other, package in collisions.rivals():
        name = other.metadata["Name"]
        pip = f"{sys.executable} -m pip"
        mend = (
            f"{pip} uninstall --yes {name} && {pip} install --force-reinstall --no-deps {collisions.installed_from()}"
        )
        detail = f"has a package {package!r}, too: uninstalling it deletes files of pagetrap; to mend it: {mend}"
        yield Finding(f"{name} {other.version}", "warning", detail)


def _files() -> Iterator[Finding]:
    """Compare the files with the list that pip has written (RECORD, in the format of PEP 376)."""
    try:
        own = importlib.metadata.distribution("pagetrap")
    except importlib.metadata.PackageNotFoundError:
        yield Finding("installed files", "absent", "pagetrap runs from a source tree that is not installed")
        return
    changed = []
    checked = 0
    for file in own.files or ():
        if file.hash is None or file.parts[0] not in (*collisions.PACKAGES, "pagetrap", "pytest_pagetrap.py"):
            continue
        checked += 1
        try:
            with open(str(own.locate_file(file)), "rb") as opened:
                digest = hashlib.new(file.hash.mode, opened.read()).digest()
        except OSError:
            changed.append(f"{file} is missing")
            continue
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
            changed.append(f"{file} is not what was installed")
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        mend = f"{sys.executable} -m pip install --force-reinstall --no-deps {collisions.installed_from()}"
        yield Finding("installed files", "warning", f"{', '.join(changed[:3])}{more}; to mend it: {mend}")
    elif checked:
        yield Finding("installed files", "ok", f"all {checked} are as installed")
    else:
        yield Finding("installed files", "ok", f"used where they are, by {collisions.installed_from()}")


def _required() -> Iterator[Finding]:
    least = {item.name.lower(): item.least for item in requirements() if not item.extra}
    for name in collisions.DEPENDENCIES:
        version = _installed(name)
        if version is None:
            yield Finding(name, "failed", f"not installed: {sys.executable} -m pip install {name}", "")
        elif older(version, least.get(name, "")):
            yield Finding(name, "failed", f"{version}, expected {least[name]} or later", "")
        else:
            yield Finding(name, "ok", version)


def _extras() -> Iterator[Finding]:
    by_extra: dict[str, list[Requirement]] = {}
    for item in requirements():
        if item.extra and item.extra not in _LEFT_OUT and item.name != "pagetrap":
            by_extra.setdefault(item.extra, []).append(item)
    for extra, wanted in by_extra.items():
        there, lacking = [], []
        for item in wanted:
            version = _installed(item.name)
            if version is None or older(version, item.least):
                lacking.append(f"{item.name} {item.least} or later")
            else:
                there.append(f"{item.name} {version}")
        if lacking:
            detail = f"not installed: {', '.join(lacking)}; pip install 'pagetrap[{extra}]'"
            yield Finding(f"[{extra}]", "absent", detail)
        else:
            yield Finding(f"[{extra}]", "ok", ", ".join(there))


def requirements() -> Iterator[Requirement]:
    """Yield the requirements of the installed distribution, none for a source tree."""
    try:
        lines = importlib.metadata.requires("pagetrap") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for line in lines:
        match = re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*(?:>=\s*([\w.]+))?", line)
        extra = re.search(r"""extra\s*==\s*["']([\w-]+)["']""", line)
        if match:
            yield Requirement(match[1], match[2] or "", extra[1] if extra else "")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def older(version: str, least: str) -> bool:
    """Return whether the leading numbers of a version are below those of another."""
    return _numbers(version) < _numbers(least)


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()
