"""Faults in mmio's engine that traces other processes."""

from typing import Final

from tests.mutants.mutant import MmioMutant

TRACING: Final = (
    MmioMutant(
        "a child has its parent's process",
        "mmio.ptrace.event_loop",
        "Thread(pid, maker.process if shared else maker.process.forked(pid))",
        "Thread(pid, maker.process)",
        "ptrace/test_event_loop.py::test_a_childs_mappings_are_its_own",
    ),
    MmioMutant(
        "a signal for a thread is swallowed",
        "mmio.ptrace.event_loop",
        "            self.leave_slot(thread)\n            thread.resume(number)",
        "            self.leave_slot(thread)\n            thread.resume()",
        "ptrace/test_event_loop.py::test_signals_stay_the_programs",
    ),
    MmioMutant(
        "vector registers that were changed are not given back",
        "mmio.ptrace.frame",
        "        if self.fetched:\n            self._exchange(ptrace_requests.SETREGSET",
        "        if not self.fetched:\n            self._exchange(ptrace_requests.SETREGSET",
        "test_sources.py::test_all_sources_record_the_same",
    ),
    MmioMutant(
        "rights to ports are lost at exec",
        "mmio.ptrace.process",
        "        process.port_rights.granted = self.port_rights.granted\n",
        "",
        "program/test_ports.py::test_rights_are_inherited",
    ),
    MmioMutant(
        "SIGSEGV is blocked when all signals are",
        "mmio.ptrace.sigmask",
        '(mask & ~_BIT).to_bytes(_SIZE, "little")',
        'mask.to_bytes(_SIZE, "little")',
        "ptrace/test_sigmask.py::test_a_handler_survives_threads_that_block_it",
    ),
    MmioMutant(
        "a program that blocks SIGSEGV is not shown so",
        "mmio.ptrace.sigmask",
        '"little") | _BIT\n',
        '"little")\n',
        "ptrace/test_sigmask.py::test_a_handler_survives_threads_that_block_it",
    ),
    MmioMutant(
        "the other threads never get their turn",
        "mmio.ptrace.waiting",
        "self._turn = (self._turn + 1) % len(pids)",
        "self._turn = 0",
        "ptrace/test_waiting.py::test_every_thread_gets_its_turn",
    ),
    MmioMutant(
        "a store of an attached program is made before its registers are known",
        "mmio.ptrace.journal",
        "            or not self._has_read\n",
        "            or True\n",
        "ptrace/test_journal.py::test_killed_before_any_effect_of_a_tracer_has_made_an_access_once",
    ),
    MmioMutant(
        "a tracer stores before it has sent the thread to its own store",
        "mmio.ptrace.journal",
        "        try:\n            frame.store()\n        finally:  # also",
        "        try:\n            pass\n        finally:  # also",
        "ptrace/test_journal.py::test_killed_before_any_effect_of_a_tracer_has_made_an_access_once",
    ),
    MmioMutant(
        "a thread that stores itself does not find its registers again",
        "mmio.ptrace.journal",
        "        handler.set_registers_after(*after)\n",
        "",
        "ptrace/test_journal.py::test_killed_before_any_effect_of_a_tracer_has_made_an_access_once",
    ),
    MmioMutant(
        "a thread that stores itself stores eight bytes of sixteen",
        "mmio.ptrace.journal",
        "store.value & _WORD, store.value >> 64",
        "store.value & _WORD, 0",
        "ptrace/test_journal.py::test_killed_before_any_effect_of_a_tracer_has_made_an_access_once",
    ),
    MmioMutant(
        "registers for the thread's own store stay after the tracer's",
        "mmio.ptrace.journal",
        "                regs[place] = value\n",
        "                pass\n",
        "ptrace/test_journal.py::test_killed_before_any_effect_of_a_tracer_has_made_an_access_once",
    ),
    MmioMutant(
        "an access is recorded before the thread's registers are set",
        "mmio.ptrace.journal",
        "        self._keeps = True\n",
        "        self._keeps = False\n",
        "ptrace/test_journal.py::test_killed_before_any_effect_of_a_tracer_has_made_an_access_once",
    ),
    MmioMutant(
        "a read does not see the store that waits",
        "mmio.ptrace.journal",
        "        self._has_read = True\n        self.flush()\n",
        "        self._has_read = True\n",
        "ptrace/test_journal.py::test_a_store_that_waits_is_made_before_the_next_access",
    ),
    MmioMutant(
        "a second store replaces the one that waits",
        "mmio.ptrace.journal",
        "        frame, bus = self._frame, self._bus\n        self.flush()\n",
        "        frame, bus = self._frame, self._bus\n",
        "ptrace/test_journal.py::test_a_store_that_waits_is_made_before_the_next_access",
    ),
    MmioMutant(
        "a thread whose store has failed goes on after it",
        "mmio.ptrace.journal",
        "                frame.restore(store.before)\n",
        "                pass\n",
        "ptrace/test_journal.py::test_a_store_that_fails_leaves_the_registers_at_the_instruction",
    ),
    MmioMutant(
        "the store of an access that was given up is made with the next one",
        "mmio.ptrace.journal",
        "self._frame = self._bus = self._store = None",
        "self._frame = self._bus = None",
        "ptrace/test_journal.py::test_an_access_that_was_given_up_leaves_no_store_behind",
    ),
)
