"""Faults in mmio's engine for code of this process."""

from typing import Final

from tests.mutants.mutant import MmioMutant

INPROCESS: Final = (
    MmioMutant(
        "memory that may only be read is written through its alias",
        "mmio.inprocess.alias_mapping",
        "if not self._protection & right:",
        "if not self._protection & (PROT_READ | PROT_WRITE):",
        "inprocess/test_alias_mapping.py::test_the_programs_rights_still_hold",
    ),
    MmioMutant(
        "a closed mapping passes a null pointer",
        "mmio.inprocess.mapping",
        "raise ClosedMapping(mapping.region.name)\n\n\nclass Mapping",
        "return None\n\n\nclass Mapping",
        "inprocess/test_mapping.py::test_a_closed_mapping_is_no_pointer",
    ),
    MmioMutant(
        "an exception that replaces another one hides it",
        "mmio.inprocess.pending_exceptions",
        "        error.__context__ = earlier\n",
        "        pass\n",
        "inprocess/test_pending_exceptions.py::test_exception_while_leaving",
    ),
    MmioMutant(
        "an exception swallowed on its way is lost",
        "mmio.inprocess.pending_exceptions",
        "            _watches[thread] = ref(token, partial(_set_async, thread, Carrier))",
        "            _watches[thread] = ref(token)",
        "inprocess/test_unwind.py::test_argument_with_a_finaliser",
    ),
    MmioMutant(
        "a handler put in front of ours goes unnoticed",
        "mmio.inprocess.signals",
        "        if signal in _chained:\n            raise RuntimeError(",
        "        if False:\n            raise RuntimeError(",
        "inprocess/test_signals.py::test_faulthandler_enabled_too_late",
    ),
    MmioMutant(
        "another thread's fault is recorded under the first one's number",
        "mmio.inprocess.trap",
        "self._space.initiator(threading.get_native_id())",
        "self._space.initiator(os.getpid())",
        "inprocess/test_trap.py::test_threads_of_python inprocess/test_trap.py::test_threads_of_the_driver",
    ),
    MmioMutant(
        "a floating-point exception in a copy has the copy's address",
        "mmio.inprocess.trap",
        "                    if info.number == SIGFPE:\n                        info.address = slot.ip\n",
        "",
        "live/test_out_of_line.py::test_floating_point_exception",
    ),
    MmioMutant(
        "two mappings of one trace are given each the other's records",
        "mmio.inprocess.trapped_ranges",
        "recorder = next(iter(traces.values())) if len(traces) == 1 else self",
        "recorder = next(iter(traces.values()), self)",
        "inprocess/test_mapping.py::test_several_mappings",
    ),
    MmioMutant(
        "handlers stay when the last mapping closes",
        "mmio.inprocess.trapped_ranges",
        "            if not self._owners:\n                self.close()",
        "            if not self._owners:\n                pass",
        "inprocess/test_signals.py::test_installed_while_anything_is_mapped",
    ),
    MmioMutant(
        "registers a driver must restore are not when it is left early",
        "mmio.inprocess.unwind",
        "        words[index] = value\n    words[RSP]",
        "        pass\n    words[RSP]",
        "inprocess/test_unwind.py::test_any_depth",
    ),
    MmioMutant(
        "the direction flag stays set when a driver is left early",
        "mmio.inprocess.unwind",
        "words[RFLAGS] &= ~_DIRECTION_AND_ALIGNMENT",
        "words[RFLAGS] &= ~0x40000",
        "inprocess/test_unwind.py::test_floating_point_state",
    ),
    MmioMutant(
        "signals blocked in a handler that is left stay blocked",
        "mmio.inprocess.unwind",
        "mask = signal_mask_of(stack).value",
        "pass",
        "inprocess/test_unwind.py::test_out_of_a_signal_handler",
    ),
    MmioMutant(
        "pages shared by two watchpoints stop trapping with the first",
        "mmio.inprocess.watched_pages",
        "                    elif run is not None:\n                        run.users += 1\n",
        "                    elif run is not None:\n",
        "inprocess/test_watched_pages.py::test_a_page_traps_until_nobody_needs_it",
    ),
)
