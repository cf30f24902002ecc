"""docs/laws.md is the list of the suite's laws, in the words of the tests that check them.

`python -m tests.docs.test_laws` writes it.
"""

import ast
from pathlib import Path
from typing import Final

import pytest

TOP = Path(__file__).parents[2]
PAGE = TOP / "docs" / "laws.md"

LAWS: Final = {
    "same result as silicon": "tests/emulate/test_silicon.py::test_same_result_as_silicon",
    "regressions": "tests/emulate/test_silicon.py::test_same_result_as_silicon_where_it_once_was_not",
    "the first fault is the first access": "tests/emulate/test_order.py::test_the_first_fault_is_the_first_access",
    "accesses equal decode.accesses": "tests/emulate/test_laws.py::test_the_bus_log_equals_decode_accesses",
    "no change when an access raises": "tests/emulate/test_laws.py::test_nothing_changes_when_an_access_raises",
    "no change at a fault": "tests/emulate/test_laws.py::test_nothing_changes_when_an_instruction_faults",
    "interruption has no effect": (
        "tests/emulate/test_laws.py::test_elements_finished_before_an_interruption_stay_finished"
    ),
    "REP in steps equals REP at once": "tests/emulate/test_laws.py::test_rep_in_steps_ends_as_in_one",
    "cached equals newly compiled": "tests/emulate/test_laws.py::test_compiled_once_equals_compiled_anew",
    "evicted and compiled again": "tests/emulate/test_compilations.py::test_equal_after_eviction",
    "bounded cache": "tests/emulate/test_compilations.py::test_bounded_whatever_is_executed",
    "settings are separate": "tests/emulate/test_compilations.py::test_distinct_settings_never_mix",
    "at most fifteen bytes": "tests/decode/test_refusal.py::test_length_limit_on_silicon",
    "forbidden prefixes": "tests/decode/test_refusal.py::test_forbidden_prefixes_on_silicon",
    "the end of a page": "tests/decode/test_refusal.py::test_end_of_a_page_on_silicon",
    "position independence": "tests/emulate/test_laws.py::test_an_instruction_does_not_depend_on_where_it_stands",
    "one rule of merging": "tests/emulate/test_laws.py::test_one_rule_merges_results_into_registers",
    "one read, one write": "tests/emulate/test_laws.py::test_memory_may_change_between_the_accesses",
    "independence of register order": "tests/emulate/test_laws.py::test_registers_may_stand_in_any_order",
    "indivisible updates": "tests/emulate/test_laws.py::test_an_indivisible_update_is_the_same_read_and_write",
    "documented errors only": "tests/emulate/test_emulator.py::test_arbitrary_bytes_raise_documented_errors_only",
    "emulated equals native": "tests/mmio/live/test_out_of_line.py::test_every_form_is_as_on_memory",
    "transfers on trapped memory": "tests/mmio/program/test_transfers.py::test_every_transfer_ends_as_natively",
    "transfers in parts": "tests/mmio/program/test_transfers.py::test_a_transfer_in_parts_ends_as_natively",
    "system calls on trapped memory": "tests/mmio/program/test_calls.py::test_every_call_ends_as_natively",
    "all sources record the same": "tests/mmio/test_sources.py::test_all_sources_record_the_same",
    "disturbed programs end as natively": "tests/soak/test_soak.py::test_a_disturbed_program_ends_as_natively",
    "a killed tracer repeats no access": (
        "tests/mmio/ptrace/test_journal.py::test_every_access_is_made_once_whenever_the_tracer_is_killed"
    ),
    "direct calls are as signals in this process": (
        "tests/mmio/inprocess/test_direct_calls.py::test_all_ways_do_the_same"
    ),
    "direct calls are as signals in a hosted program": (
        "tests/mmio/hosted/test_direct_calls.py::test_all_ways_do_the_same_in_a_hosted_program"
    ),
    "a script's exit status": (
        "tests/mmio/inprocess/test_finalization.py::test_a_script_ends_with_its_own_status_whatever_threads_do"
    ),
    "children use the same devices": (
        "tests/mmio/hosted/test_children.py::test_a_tree_of_processes_is_served_as_one_program"
    ),
    "vectors in pieces": "tests/mmio/space/test_pieces.py::test_the_short_way_is_the_long_way",
    "the address space equals bytes": "tests/mmio/space/test_space.py::SpaceAndBytes",
    "JSON Lines round-trip": "tests/mmio/formats/test_jsonlines.py::test_file_round_trip",
    "mmiotrace text round-trips": "tests/mmio/formats/test_mmiotrace.py::test_accesses_come_back_whole",
    "lines fit the terminal": "tests/mmio/pictures/test_widths.py::test_no_line_of_a_table_is_wider_than_the_terminal",
    "live lines fit and line up": "tests/mmio/pictures/test_widths.py::test_live_lines_fit_and_line_up",
    "tables encode": "tests/mmio/pictures/test_widths.py::test_tables_encode",
    "cut or finished": "tests/mmio/formats/test_reader.py::test_a_file_without_its_end_was_cut",
    "a refused call has no effect": (
        "tests/mmio/test_wrong_arguments.py::test_a_refused_mapping_leaves_everything_as_it_was"
    ),
    "endless recursion ends": "tests/mmio/inprocess/test_recursion.py::test_endless_recursion_raises",
    "short ways are the general way": "tests/mmio/faults/test_ways.py::test_short_ways_do_what_the_general_way_does",
    "accessors are the general way": (
        "tests/mmio/inprocess/test_accessors.py::test_accessors_do_what_the_general_way_does"
    ),
    "any golden file is compared or refused": "tests/mmio/traces/test_golden.py::test_whatever_has_become_of_a_file",
    "arbitrary file contents": "tests/mmio/formats/test_reader.py::test_any_bytes_raise_only_trace_format_errors",
    "SystemRDL round-trips": "tests/mmio/descriptions/rdl/test_text.py::test_what_is_written_is_the_same_device",
}
"""Each law's name, and the test that states it."""


def page() -> str:
    """Return the page: a row a law, with the sentence that the test opens with."""
    lines = [
        "# Laws",
        "",
        "A law is a property that is tested with generated cases (property-based testing). This table lists the",
        "properties of instructions, traces, address spaces and traced programs, each with its test and its docstring.",
        "Generated by `python -m tests.docs.test_laws`.",
        "",
        "| law | property | test |",
        "|---|---|---|",
    ]
    for name, place in LAWS.items():
        path, _, test = place.partition("::")
        lines.append(f"| {name} | {sentence(place)} | [`{test}`](../{path}) |")
    return "\n".join(lines) + "\n"


def sentence(place: str) -> str:
    """Return the first line of a test's docstring; raises LookupError when there is no such test."""
    path, _, test = place.partition("::")
    for node in ast.parse((TOP / path).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == test:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    raise LookupError(f"{path} has no {test}")


@pytest.mark.parametrize("name", LAWS)
def test_every_law_is_a_sentence(name: str) -> None:
    """Each law's test exists, and opens with what it says."""
    assert sentence(LAWS[name]).endswith(".")


def test_the_list_of_laws_is_up_to_date() -> None:
    """docs/laws.md is what the tests say today."""
    assert PAGE.read_text() == page(), "run python -m tests.docs.test_laws"


if __name__ == "__main__":
    PAGE.write_text(page())
