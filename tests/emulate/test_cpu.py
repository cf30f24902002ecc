"""Registers by name, over plain words."""

import pytest

from emulate import Cpu, RegisterFile


class TestNames:
    """Every architectural register is an attribute."""

    def test_parts_of_a_register_share_its_word(self) -> None:
        """rax, eax, ax, al and ah are windows into one word."""
        cpu = Cpu(rax=0x1122334455667788)
        assert (cpu.eax, cpu.ax, cpu.al, cpu.ah) == (0x55667788, 0x7788, 0x88, 0x77)
        cpu.ah = 0xFF
        assert cpu.rax == 0x112233445566FF88
        cpu.eax = 1
        assert cpu.rax == 1

    def test_general_registers_are_in_encoding_order(self) -> None:
        """`regs` holds rax rcx rdx rbx rsp rbp rsi rdi r8 … r15 rip rflags."""
        names = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{i}" for i in range(8, 16)), "rip")
        cpu = Cpu(rflags=0x202)
        for index, name in enumerate(names):
            setattr(cpu, name, index + 1)
        assert cpu.regs == [*range(1, 18), 0x202]

    def test_vector_and_mask_registers(self) -> None:
        """xmm, ymm and zmm share words of 64 bytes; k0 to k7 have 64 bits."""
        cpu = Cpu(zmm3=1 << 511 | 5, k2=7)
        assert (cpu.xmm3, cpu.ymm3, cpu.vector[3], cpu.k[2]) == (5, 5, 1 << 511 | 5, 7)

    def test_x87_registers_count_from_the_top_of_the_stack(self) -> None:
        """st0 is the physical register TOP says; mm0 is always physical register 0."""
        cpu = Cpu(fsw=3 << 11)
        cpu.st0, cpu.st1 = 10, 11
        cpu.mm0 = 12
        assert [cpu.x87[i] for i in (3, 4, 0)] == [10, 11, 0xFFFF << 64 | 12]
        assert cpu.mm0 == 12

    def test_each_flag_is_an_attribute(self) -> None:
        """Each flag is an attribute of value 0 or 1; `if` is a keyword, so it is called if_flag."""
        cpu = Cpu(rflags=0x202, zf=1)
        assert (cpu.zf, cpu.cf, cpu.if_flag) == (1, 0, 1)
        cpu.zf, cpu.df = 0, 1
        assert cpu.rflags == 0x602

    def test_a_base_in_protected_mode_is_independent_of_the_selector(self) -> None:
        """A base is given by itself in protected mode, whatever the selector."""
        cpu = Cpu(fs_base=0x7F0000000000, fs=0x2B)
        assert (cpu.fs, cpu.fs_base, cpu.bases[4], cpu.selectors[4]) == (0x2B, 0x7F0000000000, 0x7F0000000000, 0x2B)

    def test_a_class_has_the_descriptors(self) -> None:
        """Looked up on the class, a name is what makes the attribute."""
        for name in ("rax", "zf", "fs_base"):
            assert getattr(RegisterFile, name) is vars(RegisterFile)[name]


class TestRefusals:
    """What does not fit is refused, by name."""

    def test_an_unknown_register_is_a_type_error(self) -> None:
        """An unknown register is a TypeError, control registers among them."""
        with pytest.raises(TypeError, match="no register is called 'eaxx'"):
            Cpu(eaxx=1)
        with pytest.raises(TypeError, match="no register is called 'cr0'"):
            Cpu(cr0=1)

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("al", 0x100, "al holds 8 bits, unsigned; 0x100 does not fit"),
            ("eax", -1, "eax holds 32 bits, unsigned; -0x1 does not fit"),
            ("st0", 1 << 80, "st0 holds 80 bits, unsigned"),
            ("zf", 2, "zf holds 1 bits, unsigned; 0x2 does not fit"),
            ("gs_base", 1 << 64, "gs_base holds 64 bits, unsigned"),
            ("es", 0x10000, "es holds 16 bits, unsigned"),
        ],
    )
    def test_values_that_do_not_fit(self, name: str, value: int, message: str) -> None:
        """A value is unsigned and no wider than its register."""
        with pytest.raises(ValueError, match=message):
            setattr(Cpu(), name, value)

    @pytest.mark.parametrize("bits", [0, 8, 128])
    def test_bits_is_a_mode(self, bits: int) -> None:
        """Only 16, 32 and 64 are modes."""
        with pytest.raises(ValueError, match=f"bits is 16, 32 or 64, not {bits}"):
            Cpu(bits)


class TestSegments:
    """Where a segment's base comes from."""

    def test_a_base_in_real_mode_is_sixteen_times_the_selector(self) -> None:
        """16-bit code is real mode: the base is sixteen times the selector."""
        cpu = Cpu(16, ds=0x1234)
        assert (cpu.protected, cpu.ds_base, cpu.segment_base(0, 0xFFFF)) == (False, 0x12340, 0xFFFF0)

    def test_protected_mode_needs_a_descriptor_table(self) -> None:
        """In protected mode a selector says nothing by itself; the error says what to override."""
        message = "loading selector 0x2b in protected mode needs a descriptor table: override segment_base"
        for cpu in (Cpu(64), Cpu(32), Cpu(16, protected=True)):
            assert cpu.protected
            with pytest.raises(NotImplementedError, match=message):
                cpu.segment_base(3, 0x2B)

    def test_limits_are_checked_when_they_are_given(self) -> None:
        """By default no limit is known."""
        assert Cpu(16).limits is None


class TestValues:
    """A CPU compares, copies and prints."""

    def test_a_new_cpu_is_all_zero(self) -> None:
        """But for the flag that is always one and the reset values of the control words."""
        cpu = Cpu()
        assert not any(cpu.regs[:17]) | any(cpu.vector) | any(cpu.k) | any(cpu.x87) | any(cpu.bases)
        assert (cpu.rflags, cpu.fcw, cpu.fsw, cpu.ftw, cpu.mxcsr) == (2, 0x37F, 0, 0, 0x1F80)

    @pytest.mark.parametrize("name", ["rax", "zmm31", "k7", "fs_base", "mxcsr", "cf", "st7", "es"])
    def test_equality_is_about_everything(self, name: str) -> None:
        """Two CPUs are equal when every register is."""
        other = Cpu()
        assert other == Cpu()
        setattr(other, name, 1)
        assert other != Cpu()
        assert Cpu(32) != Cpu(64)
        assert Cpu() != "cpu"

    def test_a_copy_is_independent(self) -> None:
        """What happens to a copy does not happen to the original, and it is of the same class."""

        class Mine(Cpu):
            def segment_base(self, index: int, selector: int) -> int:
                return selector

        cpu = Mine(rax=1, zmm0=2)
        cpu.limits = [0xFFFF] * 6
        twin = cpu.copy()
        assert twin == cpu
        assert isinstance(twin, Mine)
        twin.rax, twin.zmm0, twin.k1, twin.st0, twin.fs_base, twin.mxcsr = 5, 5, 5, 5, 5, 5
        twin.limits[0] = 5  # type: ignore[index]
        assert cpu == Mine(rax=1, zmm0=2)
        assert cpu.limits == [0xFFFF] * 6

    def test_it_cannot_be_a_key(self) -> None:
        """A CPU changes, so it has no hash."""
        with pytest.raises(TypeError, match="unhashable"):
            hash(Cpu())

    def test_it_prints_what_is_not_zero(self) -> None:
        """The general registers that hold something, in hexadecimal."""
        assert repr(Cpu(32, eip=0x1000, edi=0xFE000000)) == "Cpu(bits=32, rip=0x1000, rdi=0xfe000000, rflags=0x2)"


def test_registers_stand_where_slots_says() -> None:
    """A frame over words of another layout brings its own order."""

    class Frame(RegisterFile):
        def __init__(self) -> None:
            self.bits, self.protected = 64, True
            self.slots = tuple(reversed(range(18)))
            self.regs = list(range(100, 118))

    frame = Frame()
    assert (frame.rax, frame.rip, frame.al) == (117, 101, 117)
    frame.eax = 5
    frame.cf = 1
    assert (frame.regs[17], frame.regs[0]) == (5, 101)
