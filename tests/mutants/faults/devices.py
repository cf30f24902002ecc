"""Faults in mmio's declared devices, and in what it makes of descriptions."""

from typing import Final

from tests.mutants.mutant import MmioMutant

DEVICES: Final = (
    MmioMutant(
        "fields that overlap are both kept",
        "mmio.descriptions.assembly",
        "next((other for other in kept if other.mask & mask), None)",
        "next((other for other in kept if other.mask == mask), None)",
        "descriptions/test_assembly.py::test_fields_that_share_bits",
    ),
    MmioMutant(
        "an RDL register in msb0 order is read as lsb0",
        "mmio.descriptions.rdl.device",
        "if register.is_msb0_order:",
        "if not register.is_msb0_order and register.is_msb0_order:",
        "descriptions/rdl/test_device.py::test_bits_may_be_counted_from_the_other_end",
    ),
    MmioMutant(
        "an RDL field's reset value stands at bit 0",
        "mmio.descriptions.rdl.device",
        "reset |= value << made.lsb",
        "reset |= value",
        "descriptions/rdl/test_device.py::test_a_whole_address_map",
    ),
    MmioMutant(
        "a stride is not written to SystemRDL",
        "mmio.descriptions.rdl.text",
        'f"{where} += {placed.member.stride:#x}"',
        'f"{where} += {placed.member.width:#x}"',
        "descriptions/rdl/test_text.py::test_the_compiler_agrees_about_addresses",
    ),
    MmioMutant(
        "what is to be left out need not be there",
        "mmio.descriptions.report",
        "for name in sorted(set(self.without) - set(self._names)):",
        "for name in ():",
        "descriptions/test_report.py::test_what_is_to_be_left_out_must_be_there",
    ),
    MmioMutant(
        "what is derived loses what it says itself",
        "mmio.descriptions.svd.node",
        "if tag not in without} | own",
        "if tag not in without or tag in own}",
        "descriptions/svd/test_node.py::test_a_register_is_like_another_but_for_what_it_says",
    ),
    MmioMutant(
        "an SVD field is one bit too wide",
        "mmio.descriptions.svd.fields",
        "(first + second - 1, first)",
        "(first + second, first)",
        "descriptions/svd/test_chip.py::test_a_whole_peripheral",
    ),
    MmioMutant(
        "an SVD peripheral of an array has the first one's base address",
        "mmio.descriptions.svd.document",
        "base + i * increment",
        "base",
        "descriptions/svd/test_document.py::test_peripherals_may_be_an_array",
    ),
    MmioMutant(
        "an SVD number with a suffix loses it",
        "mmio.descriptions.svd.values",
        'value <<= 10 * "_kmgt".index(suffix.lower() or "_")',
        "value <<= 0",
        "descriptions/svd/test_values.py::test_suffixes_are_powers_of_1024",
    ),
    MmioMutant(
        "an SVD range of labels ends before its last",
        "mmio.descriptions.svd.values",
        "range(int(first), int(last) + 1)",
        "range(int(first), int(last))",
        "descriptions/svd/test_values.py::test_labels",
    ),
    MmioMutant(
        "bits written once may be written again",
        "mmio.device.bound",
        "effects.after_write(old, data, lanes & ~self.locked)",
        "effects.after_write(old, data, lanes)",
        "device/test_register.py::test_written_once_is_locked_until_reset",
    ),
    MmioMutant(
        "a single pulse stays when the handler raises",
        "mmio.device.bound",
        "        finally:\n            if effects.pulse:\n                self.value &= ~effects.pulse",
        "            if effects.pulse:\n"
        "                self.value &= ~effects.pulse\n"
        "        finally:\n"
        "            pass",
        "device/test_register.py::test_a_single_pulse_is_seen_by_the_handler_only",
    ),
    MmioMutant(
        "a read across two registers swaps them",
        "mmio.device.device",
        "value |= (self.__cells[index].load() >> 8 * first & (1 << 8 * length) - 1) << 8 * at",
        "value |= (self.__cells[index].load() >> 8 * first & (1 << 8 * length) - 1) << 8 * (width - at - length)",
        "device/test_device.py::test_a_straddling_access_takes_parts",
    ),
    MmioMutant(
        "a restore that fails leaves what it had taken",
        "mmio.device.device",
        "        except Exception:\n            self.__take(before)\n            raise",
        "        except Exception:\n            raise",
        "device/test_device.py::test_a_state_that_does_not_fit_changes_nothing",
    ),
    MmioMutant(
        "a restored register can be written once more",
        "mmio.device.state",
        'cell.lock(state["locked"].get(cell.name, 0))',
        "cell.lock(0)",
        "device/test_device.py::test_a_snapshot_is_plain_and_complete",
    ),
    MmioMutant(
        "a call that a block makes due is due on a clock of its own",
        "mmio.device.device",
        "        return self.clock.after(delay, call)",
        "        return Clock().after(delay, call)",
        "device/test_surroundings.py::test_after_and_every_are_those_of_the_clock",
    ),
    MmioMutant(
        "what is written with one-to-clear is kept",
        "mmio.device.effects",
        '"woclr": lambda old, data: old & ~data,',
        '"woclr": lambda old, data: old & data,',
        "device/test_effects.py::test_each_bit_does_what_its_word_says",
    ),
    MmioMutant(
        "a write reaches bits beside its lanes",
        "mmio.device.effects",
        "            reached = mask & lanes\n",
        "            reached = mask\n",
        "device/test_device.py::test_a_narrow_write_reaches_its_bytes_only",
    ),
    MmioMutant(
        "a field half in an access is named whole",
        "mmio.device.layout",
        "if 8 * first <= field.lsb and field.msb < 8 * (first + length)",
        "if 8 * first <= field.lsb",
        "device/test_layout.py::test_fields_are_where_their_values_are",
    ),
    MmioMutant(
        "a line tells of a level it had",
        "mmio.device.line",
        "        if level == self._level:\n            return\n",
        "",
        "device/test_line.py::test_subscribers_hear_changes_only",
    ),
    MmioMutant(
        "elements of an array lie side by side whatever the stride",
        "mmio.device.register",
        "self.offset + i * self.stride) for i in",
        "self.offset + i * self.width) for i in",
        "device/test_register.py::test_stride_leaves_room_for_others",
    ),
    MmioMutant(
        "registers that may be there together are taken to take turns",
        "mmio.device.sharing",
        "bool((self.value ^ other.value) & self.mask & other.mask)",
        "self.value != other.value",
        "device/test_sharing.py::test_an_access_that_could_mean_both_is_refused",
    ),
)
