"""QEMU's plugin: which instructions it notes, and how the note is read."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from decode import DecodeError, MemoryOperand, decode
from mmio.guests.errors import MissingError
from mmio.guests.plugin import RunningInstructions, build_plugin
from mmio.guests.qemu import Qemu
from tests.native import ROOT
from tests.needs import need

STUBS = """
#include "plugin.c"
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *b) { return 0; }
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *b, size_t i) { return 0; }
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *i) { return 0; }
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *i) { return 0; }
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *i, void *d, size_t n) { return 0; }
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *i, void (*f)(unsigned, void *), int n, void *d) {}
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*f)(void *, void *), void *d) {}
struct array *qemu_plugin_get_registers(void) {
    static struct { const char *handle, *name, *feature; long more; } all[] = {
        {"?", "rip"}, {"s", "rsp"}, {"b", "rbp"}
    };
    static struct array registers = { all, 3 };
    return &registers;
}
struct array *g_byte_array_new(void) { return calloc(1, sizeof(struct array)); }
struct array *g_byte_array_set_size(struct array *a, unsigned n) { a->length = n; return a; }
unsigned g_array_get_element_size(struct array *a) { return 32; }
static uint64_t stack[8] = { 0xc0001005, 2, 3, 4, 5, 6, 7, 8 };
int qemu_plugin_read_register(void *handle, struct array *a) {
    static uint64_t value;
    value = *(char *)handle == 's' ? (uint64_t)stack : 0xb;
    a->data = &value, a->length = 8;
    return 8;
}
_Bool qemu_plugin_read_memory_vaddr(uint64_t at, struct array *a, size_t n) {
    a->data = (void *)at, a->length = n;
    return at + n <= (uint64_t)(stack + 8);
}
PUBLIC int for_a_driver(void *page, uint64_t ip) { now = page; return is_for_a_driver(ip); }
PUBLIC void note_with_stack(void *page, unsigned cpu, void *what) { now = page; executes_for_a_driver(cpu, what); }
PUBLIC int asked(const uint8_t *code, size_t length) { return may_access(code, length); }
PUBLIC size_t size(void) { return sizeof *now; }
PUBLIC void note(void *page, unsigned cpu, void *what) { now = page; executes(cpu, what); }
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The plugin, with functions of its own to be called."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "stubs.c").write_text(STUBS)
    command = ["cc", "-O1", "-shared", "-fPIC", f"-I{ROOT / 'mmio/guests'}", "-o", "asked.so", "stubs.c"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "asked.so"))


@pytest.fixture(scope="module")
def asked(built: ctypes.CDLL) -> Callable[[bytes], bool]:
    """The plugin's own function: whether it notes an instruction."""
    function = built.asked
    return lambda code: bool(function(code, ctypes.c_size_t(len(code))))


def accesses_a_device(code: bytes) -> bool:
    """Return whether an instruction can, in a kernel: one that accesses no more than the stack and GS cannot."""
    instruction = decode(code, bits=64)
    if instruction.mnemonic == "leave":  # the frame is on the stack
        return False
    for access in instruction.accesses:
        operand = access.operand
        if not isinstance(operand, MemoryOperand):
            return True
        base = "" if operand.base is None else operand.base.name
        if base not in ("rsp", "esp") and (operand.segment is None or operand.segment.name != "gs"):
            return True
    return False


@given(st.binary(min_size=1, max_size=15))
@example(bytes.fromhex("8b00"))
@example(bytes.fromhex("f3a4"))
@example(bytes.fromhex("403e6c"))
@example(bytes.fromhex("268b00"))
@example(bytes.fromhex("a100000000000000ff"))
@example(bytes.fromhex("66480f380000"))
@example(bytes.fromhex("f0480fb10f"))
@settings(max_examples=2000)
def test_each_access_is_noted(asked: Callable[[bytes], bool], data: bytes) -> None:
    """No instruction that may access a device is left out."""
    try:
        instruction = decode(data, bits=64)
    except DecodeError:
        return
    code = data[: instruction.length]
    assert asked(code) or not accesses_a_device(code), str(instruction)


@pytest.mark.parametrize(
    "code", ["90", "c3", "e800000000", "7405", "89c8", "488d4708", "55", "5d", "4889442408", "0fb6c0"]
)
def test_what_touches_no_device_is_left_out(asked: Callable[[bytes], bool], code: str) -> None:
    """Jumps, calls, the stack and registers cost the guest nothing."""
    assert not asked(bytes.fromhex(code))


def note(path: Path, ip: int, length: int, code: bytes, cpu: int) -> None:
    """Write what the plugin would."""
    with path.open("r+b") as file:
        file.write(struct.pack("<QI16s4xI", ip, length, code, cpu))


def test_the_note_is_read(tmp_path: Path) -> None:
    """Nothing is known before the first note; then CPU, address and instruction."""
    with RunningInstructions(tmp_path / "running") as running:
        assert running.current() == (0, 0, None)
        note(running.path, 0xFFFFFFFFC0001000, 3, bytes.fromhex("8b4710"), 1)
        cpu, ip, instruction = running.current()
        assert (cpu, ip, str(instruction)) == (1, 0xFFFFFFFFC0001000, "mov eax,[rdi+10h]")
        note(running.path, 0xFFFF0, 0, b"", 0)
        assert running.current() == (0, 0xFFFF0, None)
        note(running.path, 0x1_0000_0000, 3, b"\x06\x06\x06", 0)  # no instruction in 64-bit code
        assert running.current() == (0, 0x1_0000_0000, None)
        note(running.path, 0x1_0000_0000, 200, b"\x90" * 16, 0)
        assert running.current()[2] is None


def fake_qemu(folder: Path, script: str) -> Qemu:
    """Return a program that does what a script of the shell does."""
    path = folder / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Qemu((str(path),), "99.1")


def test_another_version_of_the_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A QEMU that takes another version of the plugin interface gets that; the plugin is built once."""
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled: list[str] = []
    run = subprocess.run

    def noted(command: Any, **settings: Any) -> Any:
        compiled.extend(word for word in command if word.startswith("-DAPI="))
        return run(command, **settings)

    monkeypatch.setattr(subprocess, "run", noted)
    count = tmp_path / "count"
    qemu = fake_qemu(
        tmp_path,
        f'echo >>{count}; [ "$(wc -l <{count})" = 1 ] && '
        'echo "plugin requires API version 7, but this QEMU supports only up to version 5" >&2; exit 1',
    )
    built = build_plugin(qemu)
    with built.open("rb") as file:  # it cannot be loaded but by QEMU, so the compiler's output is compared
        assert b"qemu_plugin_version" in file.read()
    assert compiled == ["-DAPI=7", "-DAPI=5"]
    assert build_plugin(qemu) == built
    assert count.read_text() == "\n\n"


def test_no_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A QEMU without plugins, and a machine without a compiler, are told."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    need(shutil.which("cc"), "a C compiler, cc (apt-get install gcc libc6-dev)")
    with pytest.raises(MissingError, match="takes no plugin"):
        build_plugin(fake_qemu(tmp_path, 'echo "qemu: -plugin: invalid option" >&2; exit 1'))
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(MissingError, match="needs a C compiler, no-such-compiler"):
        build_plugin(fake_qemu(tmp_path, "exit 1"))


def test_the_layouts_agree(built: ctypes.CDLL, tmp_path: Path) -> None:
    """What the plugin notes is what is read."""
    page = ctypes.create_string_buffer(4096)
    what = ctypes.create_string_buffer(struct.pack("<QI15s", 0xFFFFFFFFC0001000, 3, bytes.fromhex("8b4710")), 64)
    built.note(page, 5, what)
    with RunningInstructions(tmp_path / "running") as running:
        running._now[:4096] = page.raw
        cpu, ip, instruction = running.current()
        assert (cpu, ip, str(instruction)) == (5, 0xFFFFFFFFC0001000, "mov eax,[rdi+10h]")


class _Noted:
    """A finder of drivers that notes what it is asked."""

    def ranges(self) -> list[tuple[int, int]]:
        return [(0x1000, 0x1010), (0x2000, 0x2020)]

    def driver(self, *asked: object) -> int:
        self.asked = asked
        return 0xC0001005


def test_the_stack_is_noted(built: ctypes.CDLL, tmp_path: Path) -> None:
    """The plugin notes registers and stack for the code that it is told of, as far as the stack is there."""
    page = ctypes.create_string_buffer(4096)
    what = ctypes.create_string_buffer(struct.pack("<QI15s", 0x2001, 2, b"\x8b\x07"), 64)
    callers = _Noted()
    with RunningInstructions(tmp_path / "running") as running:
        running.watch_calls(callers)  # type: ignore[arg-type]
        page.raw = running._now[:4096]
        built.note(page, 0, what)
        running._now[:4096] = page.raw
        assert running.current()[1] == 0x2001
        for_a_driver = {ip: built.for_a_driver(page, ctypes.c_uint64(ip)) for ip in (0xFFF, 0x1000, 0x1010, 0x201F)}
        assert for_a_driver == {0xFFF: 0, 0x1000: 1, 0x1010: 0, 0x201F: 1}
        built.note_with_stack(page, 1, what)
        running._now[:4096] = page.raw
        cpu, ip, instruction = running.current()
    assert (cpu, ip, str(instruction)) == (1, 0xC0001005, "mov eax,[rdi]")
    at, sp, bp, stack = callers.asked
    assert (at, bp) == (0x2001, 0xB)
    assert sp
    assert stack == struct.pack("<8Q", 0xC0001005, *range(2, 9))  # 64 bytes: the stack ends there
