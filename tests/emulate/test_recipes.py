"""The table from mnemonic to recipe, and the drivers for the usual shapes."""

from collections.abc import Callable

import pytest

from decode import decode
from emulate import Cpu, recipes
from emulate.builder import Builder, Settings
from emulate.compiler import compile_instruction
from emulate.flags import CF
from emulate.recipes import RECIPES, assignment, binary, comparison, recipe, ternary, unary
from tests.emulate.everywhere import Everywhere, Locking


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> dict[str, recipes.Recipe]:
    """An empty table, in the place of the real one for the emulator's compiler too."""
    empty: dict[str, recipes.Recipe] = {}
    monkeypatch.setattr("emulate.recipes.RECIPES", empty)
    monkeypatch.setattr("emulate.compiler.RECIPES", empty)
    return empty


def run(code: str, cpu: Cpu, bus: Everywhere | None = None) -> Everywhere:
    """Compile an instruction with the table as it is, and execute it."""
    bus = bus or Everywhere()
    compile_instruction(decode(bytes.fromhex(code)), Settings()).run(cpu, bus)
    return bus


def test_a_recipe_stands_under_its_mnemonics(table: dict[str, recipes.Recipe]) -> None:
    """Registering gives the function back, so that one can call another."""

    @recipe("nop", "hlt")
    def nothing(b: Builder) -> None:
        """Do nothing."""

    assert table == {"nop": nothing, "hlt": nothing}


def test_a_mnemonic_has_one_recipe() -> None:
    """A second recipe for the same mnemonic is a mistake, found when the module is imported."""
    with pytest.raises(AssertionError, match="mov"):
        recipe("mov")(lambda b: None)


def test_unary_and_binary_modify_their_destination(table: dict[str, recipes.Recipe]) -> None:
    """`f(destination, source, flags, width)` gives the new value and the new flags: one read, one write."""
    seen: list[tuple[int, ...]] = []

    @unary("not")
    def complement(a: int, flags: int, width: int) -> tuple[int, int]:
        seen.append((a, width))
        return 0x77, flags | CF

    @binary("add")
    def combine(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
        seen.append((a, b, width))
        return 0x66, flags

    cpu = Cpu(rdi=0x1000)
    bus = run("f617", cpu)
    assert (bus.log, bus.values[1], cpu.cf) == ([(1, 0x1000, 1), (2, 0x1000, 1)], 0x77, 1)
    assert seen == [(bus.values[0], 1)]
    cpu = Cpu(rax=5, rbx=0x100000007)
    run("01d8", cpu)
    assert (cpu.rax, seen[1]) == (0x66, (5, 7, 4))


@pytest.mark.parametrize("bus", [Everywhere(), Locking()])
def test_lock_makes_one_update(bus: Everywhere, table: dict[str, recipes.Recipe]) -> None:
    """With LOCK the bus does the read-modify-write; the flags are those of the value it found."""

    @binary("add")
    def combine(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
        return a ^ b, flags | (CF if a == 0x42 else 0)

    bus.memory[0x1000] = 0x42
    cpu = Cpu(rdi=0x1000, al=1)
    run("f00007", cpu, bus)
    assert (bus.log, bus.values, cpu.cf) == ([(1, 0x1000, 1), (2, 0x1000, 1)], [0x42, 0x43], 1)
    assert not isinstance(bus, Locking) or bus.updates == 1


def test_ternary_has_three_inputs(table: dict[str, recipes.Recipe]) -> None:
    """SHLD: the destination, and two sources."""
    seen = []

    @ternary("shld")
    def shift(a: int, b: int, c: int, flags: int, width: int) -> tuple[int, int]:
        seen.append((a, b, c, width))
        return 1, flags

    run("0fa4d805", Cpu(rax=3, rbx=4))
    assert seen == [(3, 4, 5, 4)]


def test_assignment_does_not_read_its_destination(table: dict[str, recipes.Recipe]) -> None:
    """POPCNT: only the sources matter."""
    seen = []

    @assignment("popcnt")
    def count(a: int, flags: int, width: int) -> tuple[int, int]:
        seen.append((a, width))
        return 9, flags | CF

    cpu = Cpu(rax=3, rbx=4)
    run("f3480fb8c3", cpu)
    assert (seen, cpu.rax, cpu.cf) == ([(4, 8)], 9, 1)


def test_comparison_keeps_only_flags(table: dict[str, recipes.Recipe]) -> None:
    """CMP: memory is read and not written."""

    def differ(a: int, b: int, flags: int, width: int) -> tuple[int, int]:
        return 99, flags | CF

    comparison("cmp", differ)
    cpu = Cpu(rdi=0x1000, eax=1)
    bus = run("3907", cpu)
    assert (bus.log, cpu.eax, cpu.cf) == ([(1, 0x1000, 4)], 1, 1)


def test_recipes_are_named_for_what_they_do() -> None:
    """Behind each mnemonic stands the function a reader looks for, be it a recipe or a pure function under a driver."""
    places: dict[str, tuple[str, str]] = {
        "mov": ("emulate.families.moves", "mov"),
        "add": ("emulate.families.arithmetic", "add"),
        "cmp": ("emulate.families.arithmetic", "sub"),
        "neg": ("emulate.families.arithmetic", "neg"),
        "movs": ("emulate.families.strings", "string_instruction"),
    }
    for mnemonic, place in places.items():
        function: Callable[..., object] = RECIPES[mnemonic]
        assert (function.__module__, function.__qualname__) == place
    assert {function.__module__.rpartition(".")[0] for function in RECIPES.values()} == {"emulate.families"}
