"""The makers of cases: every form gets cases, they are what was asked for, and most of them do something."""

from __future__ import annotations

import ast
import random
import re
from pathlib import Path

import pytest
from hypothesis import find, settings
from iced_x86 import Code, Code_, Decoder

from tests.cases.build import build_case, random_case
from tests.cases.chooser import RandomChooser, word
from tests.cases.forms import CODE_NAMES, Unbuildable, all_codes, buildable, codes_by_operation, operation
from tests.oracle.case import CannotRun, Case, VectorState, Window
from tests.oracle.hidden import hidden
from tests.oracle.host import features, host_has, need_silicon
from tests.strategies import instruction_cases

each_mode = pytest.mark.parametrize("bits", [64, 32, 16])


@each_mode
def test_every_form_gets_cases(bits: int) -> None:
    """Each buildable code comes back from the decoder as itself, in every case made for it."""
    source = random.Random(bits)
    for code in all_codes(bits):
        case = random_case(source, code, bits)
        assert Decoder(bits, case.code).decode().code == code, CODE_NAMES[code]


def test_hardly_a_choice_is_rejected() -> None:
    """Cases are made, not searched for: at least 95 of 100 draws of any kind of form encode."""
    chooser, codes = RandomChooser(random.Random(0)), all_codes(64)
    rejected = 0
    for code in codes:
        try:
            build_case(code, 64, chooser)
        except Unbuildable:
            rejected += 1
    assert rejected < len(codes) / 20


def test_what_is_left_out() -> None:
    """Forms are left out for a reason only: privilege, another mode, selectors, other makers' or two instructions."""
    assert not buildable(Code.LGDT_M1632_16, 32)
    assert not buildable(Code.INC_R32, 64)
    assert not buildable(Code.MOV_SREG_RM16, 64)
    assert not buildable(Code.FSTCW_M2BYTE, 64)
    assert buildable(Code.INC_R32, 32)
    assert len(all_codes(64)) > 4000


def test_operations_name_string_instructions_without_width() -> None:
    """MOVSD the string instruction and MOVSD of SSE2 are distinguished."""
    assert operation(Code.MOVSD_M32_M32) == "movs"
    assert operation(Code.MOVSD_XMM_XMMM64) == "movsd"
    assert codes_by_operation(64)["scas"] == [
        *(Code.SCASB_AL_M8, Code.SCASW_AX_M16),
        *(Code.SCASD_EAX_M32, Code.SCASQ_RAX_M64),
    ]


@each_mode
def test_most_cases_land_in_the_window(bits: int) -> None:
    """A load runs into the border of the window now and then, not most of the time."""
    silicon, source = need_silicon(), random.Random(bits)
    code = Code.MOV_R32_RM32
    outcomes = [silicon.run(random_case(source, code, bits)) for _ in range(300)]
    faults = sum(outcome.fault is not None for outcome in outcomes)
    assert 10 < faults < 150


@pytest.mark.parametrize("code", [Code.MOVSB_M8_M8, Code.STOSQ_M64_RAX, Code.SCASW_AX_M16, Code.CMPSD_M32_M32])
def test_strings_repeat_and_stop(code: Code_) -> None:
    """REP cases with a count: some are done to the end, some fault on the way."""
    silicon, source = need_silicon(), random.Random(code)
    pairs = [(case, silicon.run(case)) for case in (random_case(source, code) for _ in range(300))]
    repeated = [after for before, after in pairs if before.regs.get("rcx", 0) - after.regs[1] > 1]
    assert sum(after.fault is None for after in repeated) > 20
    assert any(after.fault is not None for after in repeated)


def test_every_form_this_cpu_has_runs() -> None:
    """No case confuses the oracle: each is run or refused by name, and the child is sound afterwards."""
    silicon, source = need_silicon(), random.Random(7)
    refused: list[str] = []
    for code in all_codes(64):
        try:
            silicon.run(random_case(source, code))
        except CannotRun as error:
            refused.append(str(error))
    named = "a system call|ports are closed|a transaction|the kernel does SMSW|a hypervisor does MONITORX"
    assert [why for why in refused if not re.match(named, why)] == []
    assert len(refused) < 60
    assert silicon.run(Case(b"\x48\x01\xd8", regs={"rax": 2, "rbx": 3})).regs[0] == 5


def test_equal_seeds_make_equal_cases() -> None:
    """A campaign can be repeated."""
    first, second = (random_case(random.Random(5), Code.ADC_RM64_R64) for _ in range(2))
    assert first == second


def test_cases_shrink_to_simple_ones() -> None:
    """What hypothesis finds is small: no prefixes, plain addressing, an aligned place in the window, zeros."""
    strategy = instruction_cases([Code.ADD_RM32_R32, Code.ADD_RM64_R64])
    # From a fixed start, as the laws are: from one start in five hypothesis gives up before it is at the simplest.
    in_memory = find(
        strategy,
        lambda case: bool(case.window.patches),
        settings=settings(max_examples=200, database=None),
        random=random.Random(0),
    )
    assert in_memory.code == bytes.fromhex("0100")
    assert in_memory.regs == {"rax": in_memory.window.base + 0x1000}
    assert in_memory.window == Window(patches={0x1000: bytes(4)})
    assert in_memory.rflags == 0x202


def test_printed_case_is_python() -> None:
    """A failing case can be pasted: its text, run as Python, is the case."""
    for code in (
        Code.VEX_VPADDB_XMM_XMM_XMMM128,
        Code.FILD_M64INT,
        Code.STOSB_M8_AL,
        Code.EVEX_VMOVDQU8_ZMM_K1Z_ZMMM512,
    ):
        case = random_case(random.Random(1), code)
        assert "\n" not in repr(case)
        assert _pasted(repr(case)) == case


def _pasted(text: str) -> Case:
    """Read a printed case back, without running it."""

    def value(node: ast.expr) -> object:
        match node:
            case ast.Call(func=ast.Name(id=name), keywords=keywords):
                maker = {"Case": Case, "Window": Window, "VectorState": VectorState}[name]
                return maker(**{str(k.arg): value(k.value) for k in keywords})
            case ast.Call(func=ast.Attribute(value=ast.Call() as made, attr="replaced"), keywords=keywords):
                state = value(made)
                assert isinstance(state, VectorState)
                return state.replaced(**{str(k.arg): ast.literal_eval(k.value) for k in keywords})
            case ast.Call(args=[ast.Constant(value=str() as digits)]):
                return bytes.fromhex(digits)
            case ast.BinOp(left=left, right=ast.Constant(value=int() as times)):
                data = value(left)
                assert isinstance(data, bytes)
                return data * times
            case ast.Dict(keys=keys, values=values):
                return {ast.literal_eval(k): value(v) for k, v in zip(keys, values, strict=True) if k is not None}
        return ast.literal_eval(node)

    made = value(ast.parse(text, mode="eval").body)
    assert isinstance(made, Case)
    return made


@pytest.mark.parametrize("bits", [4, 8, 16, 32, 64])
def test_words_fit_and_reach_the_extremes(bits: int) -> None:
    """Values are `bits` wide, and zero, all ones and the sign bit are among them."""
    chooser = RandomChooser(random.Random(bits))
    values = {word(chooser, bits) for _ in range(3000)}
    assert min(values) >= 0
    assert max(values) < 1 << bits
    assert {0, 1, (1 << bits) - 1, 1 << bits - 1} <= values


def test_host_is_asked_by_running() -> None:
    """Every x86-64 CPU has ADD and SSE2, and what the kernel lists of the rest is what runs."""
    need_silicon()
    assert host_has(Code.ADD_RM8_R8)
    assert host_has(Code.INC_R32, 32)
    assert {"X64", "SSE2", "CMOV"} <= features()
    flags = {line.split(":")[0].strip(): line for line in Path("/proc/cpuinfo").read_text().splitlines()}[
        "flags"
    ].split()
    for name, feature in (("avx512bw", "AVX512BW"), ("avx512_fp16", "AVX512_FP16"), ("avx2", "AVX2"), ("bmi2", "BMI2")):
        assert (name in flags and feature not in hidden()) == (feature in features())
