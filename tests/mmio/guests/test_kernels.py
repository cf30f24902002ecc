"""Kernels, and what their modules depend on."""

from __future__ import annotations

import gzip
import lzma
import shutil
import struct
from pathlib import Path

import pytest

from mmio.guests import kernels
from mmio.guests.cache import cache_folder, made_once
from mmio.guests.errors import MissingError
from mmio.guests.kernels import Kernel, find_kernel, kernel_in, module_bytes

RELEASE = "6.1.0-57-amd64"


def image(path: Path, release: str = RELEASE) -> Path:
    """Write the beginning of a bzImage."""
    data = bytearray(0x1000)
    data[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", data, 0x20E, 0x300)
    data[0x500 : 0x500 + len(release) + 9] = f"{release} (builder".encode()[: len(release) + 9]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def module(path: Path, depends: str = "") -> None:
    """Write what of a module is looked at."""
    data = b"\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".xz":
        data = lzma.compress(data)
    elif path.suffix == ".gz":
        data = gzip.compress(data)
    path.write_bytes(data)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """A kernel with a few modules, of every compression."""
    folder = tmp_path / "lib/modules" / RELEASE
    module(folder / "kernel/net/e1000.ko")
    module(folder / "kernel/watch/i6300esb.ko", "watchdog")
    module(folder / "kernel/watch/watchdog.ko.xz")
    module(folder / "kernel/mmc/sdhci-pci.ko.gz", "sdhci,cqhci,mmc-core")
    module(folder / "kernel/mmc/sdhci.ko", "mmc_core")
    module(folder / "kernel/mmc/cqhci.ko", "mmc_core")
    module(folder / "kernel/mmc/mmc_core.ko")
    module(folder / "kernel/a/loop.ko", "loop2")
    module(folder / "kernel/a/loop2.ko", "loop")
    module(folder / "kernel/a/broken.ko", "absent")
    (folder / "modules.builtin").write_text("kernel/drivers/tty/serial/8250/8250_pci.ko\n")
    return Kernel(image(tmp_path / f"boot/vmlinuz-{RELEASE}"), folder)


def test_order(kernel: Kernel) -> None:
    """A module comes after those it depends on, each once, whatever - and _ are in its name."""
    assert kernel.load_order(["sdhci-pci", "i6300esb", "sdhci"]) == [
        *("mmc_core", "sdhci", "cqhci", "sdhci_pci"),
        *("watchdog", "i6300esb"),
    ]
    assert kernel.load_order(["8250_pci"]) == []
    assert kernel.release == RELEASE


def test_modules_that_depend_on_each_other(kernel: Kernel) -> None:
    """A circle has an end."""
    with pytest.raises(MissingError, match="depend on each other"):
        kernel.load_order(["loop"])


def test_no_such_module(kernel: Kernel) -> None:
    """The error names kernel and module, and one that is spelt alike."""
    with pytest.raises(MissingError, match=rf"kernel {RELEASE} has no module e100, .*did you mean e1000\?"):
        kernel.load_order(["e100"])
    with pytest.raises(MissingError, match="no module absent, which broken depends on,"):
        kernel.load_order(["broken"])


def test_compressed(kernel: Kernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules are decompressed; where that takes a program, the error names it."""
    assert module_bytes(kernel.files["watchdog"]).startswith(b"\0license")
    assert module_bytes(kernel.files["sdhci_pci"]).startswith(b"\0license")
    (tmp_path / "x.ko.zst").write_bytes(b"")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingError, match="needs the program zstd"):
        module_bytes(tmp_path / "x.ko.zst")


def test_an_image_says_its_version(kernel: Kernel) -> None:
    """The modules of a bzImage are those beside it."""
    assert find_kernel(kernel.image) == kernel


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("absent", "No such file or directory; expected a kernel's image"),
        ("text", "is not a bzImage"),
        ("other", "there are no modules of 9.9.9; expected them in"),
        ("absent.deb", "there is no such file"),
    ],
)
def test_what_is_no_kernel(name: str, problem: str, kernel: Kernel, tmp_path: Path) -> None:
    """The error says what it is, and what was expected."""
    (tmp_path / "text").write_text("hello")
    image(tmp_path / "other", "9.9.9")
    with pytest.raises(MissingError, match=problem):
        find_kernel(tmp_path / name)


def test_newest(kernel: Kernel, tmp_path: Path) -> None:
    """Under a root the newest kernel is found that has modules, and no cloud kernel."""
    for release in ("6.1.0-9-amd64", "6.1.0-60-cloud-amd64"):
        image(tmp_path / f"boot/vmlinuz-{release}")
        module(tmp_path / "lib/modules" / release / "e1000.ko")
    image(tmp_path / "boot/vmlinuz-6.1.0-99-amd64")
    assert kernel_in(tmp_path) == kernel
    assert kernel_in(tmp_path, ["e1000"]) == kernel
    assert kernel_in(tmp_path, ["overlay"]) is None
    assert kernel_in(tmp_path / "nowhere") is None


def test_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a kernel the error says how to get one."""
    monkeypatch.setattr(kernels, "kernel_in", lambda root, having: None)
    with pytest.raises(MissingError, match=r"needs a kernel: apt-get install linux-image-amd64, or let `pagetrap boot"):
        find_kernel()
    monkeypatch.setattr(kernels, "depends", lambda package, pattern: None)
    with pytest.raises(MissingError, match="apt knows no such package"):
        find_kernel(fetch=True)


def test_the_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is XDG's; a relative one is ignored, as the specification demands."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "pagetrap"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/pagetrap"


def test_made_once(tmp_path: Path) -> None:
    """A folder is there whole or not at all, and made once."""
    made: list[Path] = []

    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise MissingError("no network")

    with pytest.raises(MissingError):
        made_once(tmp_path / "a/b", fail)
    assert list((tmp_path / "a").iterdir()) == []
    for _ in range(2):
        assert made_once(tmp_path / "a/b", made.append) == tmp_path / "a/b"
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
