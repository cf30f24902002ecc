"""Faults in mmio's command line."""

from typing import Final

from tests.mutants.mutant import MmioMutant

COMMANDS: Final = (
    MmioMutant(
        "what is chosen for --since is --until",
        "mmio.commands.choosing",
        'names = "only without reads writes width value ip thread since until"',
        'names = "only without reads writes width value ip thread since"',
        "commands/test_choosing.py::test_options_are_a_selection",
    ),
    MmioMutant(
        "a remark in a listing is decoded",
        "mmio.commands.decoding",
        '.partition(";")[0]',
        "",
        "commands/test_decoding.py::test_a_dash_reads_standard_input",
    ),
    MmioMutant(
        "what a folded loop held back is lost at its end",
        "mmio.commands.live",
        "        for access in self._turn:\n            self._live.show(access)\n        self._begin()",
        "        self._begin()",
        "commands/test_live.py::test_a_loop_of_two_that_breaks_off",
    ),
    MmioMutant(
        "a model's traceback begins in pagetrap",
        "mmio.commands.models",
        "traceback.format_exception(type(error), error, at)",
        "traceback.format_exception(type(error), error, error.__traceback__)",
        "commands/test_models.py::test_a_constructor_that_fails_is_shown commands/test_models.py::test_who_is_to_blame",
    ),
    MmioMutant(
        "a name is looked for in the first program only",
        "mmio.commands.names",
        "            if found is not None:\n                return found\n",
        "            return found\n",
        "commands/test_names.py::test_every_program_is_asked",
    ),
    MmioMutant(
        "every later record is told as a failure of its own",
        "mmio.commands.output",
        "        if not self.failed:\n            try:\n                write(*what)",
        "        if True:\n            try:\n                write(*what)",
        "commands/test_output.py::test_a_full_disk_is_told_once",
    ),
    MmioMutant(
        "a poll is reported again at every turn",
        "mmio.commands.polls",
        "self._next *= 10\n        self._told",
        "self._told",
        "commands/test_polls.py::test_told_while_it_lasts_and_rarely",
    ),
    MmioMutant(
        "polls of two threads are one loop",
        "mmio.commands.polls",
        "spinning = self._threads.get(spot.thread)\n"
        "        if spinning is None:\n"
        "            spinning = self._threads[spot.thread]",
        "spinning = self._threads.get(0)\n        if spinning is None:\n            spinning = self._threads[0]",
        "commands/test_polls.py::test_threads_are_told_apart",
    ),
    MmioMutant(
        "a trace is converted onto itself",
        "mmio.commands.traces",
        "if exists(options.out) and samefile(options.trace, options.out):",
        "if False:",
        "commands/test_traces.py::test_convert_onto_itself",
    ),
    MmioMutant(
        "two traces that differ are no reason for status 1",
        "mmio.commands.traces",
        "return 0 if diff.same else 1",
        "return 0",
        "commands/test_traces.py::test_diff_ends_with_0_1_or_2",
    ),
    MmioMutant(
        "pagetrap's own core file takes the place of the program's",
        "mmio.commands.exits",
        "resource.setrlimit(resource.RLIMIT_CORE, (0, hard))",
        "resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))",
        "commands/test_watching.py::test_the_core_file_is_the_programs",
    ),
    MmioMutant(
        "a program killed by a signal gives status 128 and more",
        "mmio.commands.watching",
        "    return status if status >= 0 else die(-status)",
        "    return status if status >= 0 else 128 - status",
        "commands/test_watching.py::test_the_exit_status_is_the_program_s",
    ),
    MmioMutant(
        "a full disk is no trouble",
        "mmio.commands.watching",
        "    if output is not None and output.failed:\n        return TROUBLE\n",
        "",
        "commands/test_watching.py::test_a_full_disk_does_not_end_the_program",
    ),
    MmioMutant(
        "a file is emptied for a program that is not there",
        "mmio.commands.watching",
        "        _begin(tracer, options, program)\n        output = show(tracer, options)",
        "        output = show(tracer, options)\n        _begin(tracer, options, program)",
        "commands/test_watching.py::test_a_trace_is_not_lost_to_a_typing_error",
    ),
    MmioMutant(
        "the last port of a range does not count",
        "mmio.commands.where",
        'size = _number("last port", rest, at) - start + 1',
        'size = _number("last port", rest, at) - start',
        "commands/test_where.py::test_ports_takes_a_first_and_a_last_or_a_count",
    ),
    MmioMutant(
        "ports may go one past the last",
        "mmio.commands.where",
        "    if start + size > limit:\n",
        "    if start + size > limit + 1:\n",
        "commands/test_where.py::test_the_wrong_part_is_pointed_at",
    ),
)
