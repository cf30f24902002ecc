"""Faults in what instructions do.

Each was found in some emulator, or nearly made it into this one.
"""

from typing import Final

from tests.mutants.mutant import Mutant

_LOG: Final = "log equals decode.accesses"

INSTRUCTIONS: Final = (
    # --- arithmetic -------------------------------------------------------------------------------------------------
    Mutant(
        "ADC loses the carry",
        "emulate.families.arithmetic",
        "return _sum(a, b, flags & CF, flags, width)",
        "return _sum(a, b, 0, flags, width)",
        "silicon",
        "adc",
    ),
    Mutant(
        "INC touches CF",
        "emulate.families.arithmetic",
        "    result, changed = _sum(a, 1, 0, flags, width)\n    return result, changed & ~CF | flags & CF",
        "    return _sum(a, 1, 0, flags, width)",
        "silicon",
        "inc",
    ),
    Mutant(
        "OF of a sum by the first operand alone",
        "emulate.families.arithmetic",
        "overflow = (a ^ result) & (b ^ result)",
        "overflow = a ^ result",
        "silicon",
        "add",
    ),
    Mutant(
        "AF missing in a difference",
        "emulate.families.arithmetic",
        "flags & ~STATUS | (total < 0) | (a ^ b ^ result) & AF |",
        "flags & ~STATUS | (total < 0) |",
        "silicon",
        "sub cmp",
    ),
    Mutant(
        "PF of the whole result",
        "emulate.flags",
        "return PARITY[result & 0xFF] |",
        "return (0 if result.bit_count() & 1 else PF) |",
        "silicon",
        "add",
    ),
    Mutant(
        "SAR as SHR",
        "emulate.families.shifts",
        "last = _signed(a, width) >> count - 1",
        "last = a >> count - 1",
        "silicon",
        "sar",
    ),
    Mutant(
        "shift count unmasked",
        "emulate.flags",
        "return count & (63 if width == 8 else 31)",
        "return count & 0xFF",
        "silicon",
        "shl shr",
    ),
    Mutant(
        "OF of a rotate is the old sign",
        "emulate.families.shifts",
        "return _rotated(result, result & 1, _top(a ^ a << 1, width), flags)",
        "return _rotated(result, result & 1, _top(a, width), flags)",
        "silicon",
        "rol",
    ),
    Mutant(
        "RCL goes round one bit too early",
        "emulate.families.shifts",
        "ring = _rotate_right(a | (flags & CF) << 8 * width, -count, 8 * width + 1)",
        "ring = _rotate_right(a | (flags & CF) << 8 * width, -count, 8 * width)",
        "silicon",
        "rcl",
    ),
    Mutant(
        "CF of a signed product as of an unsigned one",
        "emulate.families.multiply",
        "return _product(product, -half <= product < half, flags, width)",
        "return _product(product, 0 <= product < 2 * half, flags, width)",
        "silicon",
        "imul",
    ),
    Mutant(
        "the quotient may overflow",
        "emulate.families.multiply",
        "if quotient >> 8 * width:",
        "if False:",
        "silicon",
        "div",
    ),
    Mutant(
        "IDIV rounds down",
        "emulate.families.multiply",
        "quotient = abs(a) // abs(b) if (a < 0) == (b < 0) else -(abs(a) // abs(b))",
        "quotient = a // b",
        "silicon",
        "idiv",
    ),
    Mutant(
        "BSF of zero writes a number",
        "emulate.families.bits",
        'b.write(destination, f"({number} if {value} else {b.unchanged(destination.register)})")',
        "b.write(destination, number)",
        "silicon",
        "bsf bsr",
    ),
    # --- exchanges --------------------------------------------------------------------------------------------------
    Mutant(
        "XADD of a register with itself keeps the old value",
        "emulate.families.exchange",
        "        b.write(source, b.read(destination))\n        modify(b, add)\n",
        "        old = b.read(destination)\n        modify(b, add)\n        b.write(source, old)\n",
        "silicon",
        "xadd",
    ),
    Mutant(
        "CMPXCHG16B stores its halves swapped",
        "emulate.families.exchange",
        'f"{b.register(c)} << {8 * half} | {b.register(base)}"',
        'f"{b.register(base)} << {8 * half} | {b.register(c)}"',
        "silicon",
        "cmpxchg8b cmpxchg16b",
    ),
    Mutant(
        "CMPXCHG clears the upper half of a register that stays",
        "emulate.families.exchange",
        'b.set_register(accumulator, f"({b.unchanged(accumulator)} if',
        'b.set_register(accumulator, f"({b.register(accumulator)} if',
        "silicon",
        "cmpxchg",
    ),
    # --- stack ------------------------------------------------------------------------------------------------------
    Mutant(
        "PUSH [rsp] reads after the decrement",
        "emulate.families.stack",
        "        stack.push(b.read(source), source.width)\n",
        "        if isinstance(source, MemoryOperand) and _uses_pointer(source):\n"
        '            b.address(source, extra=f"-{source.width}")\n'
        "        stack.push(b.read(source), source.width)\n",
        "silicon",
        "push",
    ),
    Mutant(
        "POP [rsp] writes before the increment",
        "emulate.families.stack",
        "b.address(destination, extra=str(destination.width))",
        "pass",
        "silicon",
        "pop",
    ),
    Mutant(
        "PUSH moves the pointer before it writes",
        "emulate.builder",
        "lines += self._plan + self._act + commit_lines(self._words)",
        "lines += self._plan + commit_lines(self._words) + self._act",
        "nothing changes when an access raises",
        "push",
    ),
    Mutant(
        "a store over the end of a page writes what it can before it faults",
        "emulate.bus",
        "        offset = self._offset(address, width, True)\n"
        '        self.data[offset : offset + width] = value.to_bytes(width, "little")\n',
        '        for place, byte in enumerate(value.to_bytes(width, "little"), address):\n'
        "            self.data[self._offset(place, 1, True)] = byte\n",
        "silicon",
        "mov",
    ),
    Mutant(
        "a division faults after its registers were written",
        "emulate.families.multiply",
        '    dividend = f"{b.register(upper)} << {8 * source.width} | {b.register(lower)}"\n',
        '    dividend = f"{b.register(upper)} << {8 * source.width} | {b.register(lower)}"\n'
        '    b.act(f"{b.word(upper)} ^= 1 << 8")\n',
        "nothing changes at a fault",
        "div idiv",
    ),
    # --- strings ----------------------------------------------------------------------------------------------------
    Mutant(
        "REP counts by the operand size",
        "emulate.families.strings",
        "(REGISTERS[name] for name in _INDEXES[memories[0].address_width])",
        "(REGISTERS[name] for name in _INDEXES[max(width, 2)])",
        "silicon",
        "movs stos",
    ),
    Mutant(
        "a segment override applied to ES",
        "emulate.families.strings",
        "pointer(b, destination, 7, width), b.slots)\n",
        "pointer(b, source or destination, 7, width), b.slots)\n",
        "silicon",
        "movs cmps",
    ),
    Mutant(
        "DF ignored",
        "emulate.families.strings",
        "distance = -elements * width if r[flags] & DF else elements * width",
        "distance = elements * width",
        "silicon",
        "movs stos lods",
    ),
    Mutant(
        "CMPS reads its source first",
        "emulate.families.strings",
        "    string.compare(cpu, answer.read(bus, source, string.width), second)\n",
        "    first = answer.read(bus, source, string.width)\n"
        "    string.compare(cpu, first, answer.read(bus, destination, string.width))\n",
        _LOG,
        "cmps",
    ),
    Mutant(
        "CMPS reads its source first, and decode says so, too",
        "decode.memory",
        "memories = [o for o in reversed(operands) if isinstance(o, MemoryOperand)]",
        'memories = [o for o in operands[:: 1 if string == "cmps" else -1] if isinstance(o, MemoryOperand)]',
        "order of accesses",
        "cmps",
    ),
    Mutant(
        "REP with a count of zero does one element",
        "emulate.families.strings",
        "        if nothing is not None and not r[counter] & mask:\n",
        "        r[counter] = r[counter] if r[counter] & mask else merge(r[counter], progress.counter, 1)\n"
        "        if nothing is not None and not r[counter] & mask:\n",
        "silicon",
        "movs stos",
    ),
    Mutant(
        "SCAS compares the other way round",
        "emulate.families.strings",
        "string.compare(cpu, string.accumulator(cpu), answer.read(bus, destination, string.width))",
        "string.compare(cpu, answer.read(bus, destination, string.width), string.accumulator(cpu))",
        "silicon",
        "scas",
    ),
    Mutant(
        "REPE and REPNE mixed up",
        "emulate.families.strings",
        'stop = {"repe": 0, "repne": ZF}.get(b.instruction.rep)',
        'stop = {"repe": ZF, "repne": 0}.get(b.instruction.rep)',
        "silicon",
        "scas cmps",
    ),
    Mutant(
        "an interrupted REP does its last element again",
        "emulate.families.strings",
        "                element(string, cpu, bus, source, destination)\n",
        "                try:\n"
        "                    element(string, cpu, bus, source, destination)\n"
        "                except BaseException:\n"
        "                    r[counter] = merge(r[counter], progress.counter, (r[counter] & mask) + 1)\n"
        "                    raise\n",
        "finished elements stay",
        "movs stos",
    ),
    Mutant(
        "the bound of a REP is not kept",
        "emulate.families.strings",
        "            budget -= done\n",
        "",
        "rep in steps",
        "stos movs",
    ),
)
