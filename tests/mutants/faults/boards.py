"""Faults in boards, in the core of a microcontroller and in the models that come with the package."""

from typing import Final

from tests.mutants.mutant import MmioMutant

BOARDS: Final = (
    MmioMutant(
        "a program is told of an interrupt while it leaves another",
        "mmio.boards.program_interrupts",
        "if self.port.leaving or (number",
        "if (number",
        "commands/test_program_board.py::test_a_program_that_leaves_one_takes_the_next",
    ),
    MmioMutant(
        "time goes past an interrupt of a program",
        "mmio.cortex_m.program_port",
        "self._time.now < self._until and self._exceptions.due() is None:",
        "self._time.now < self._until:",
        "commands/test_program_board.py::test_handlers_run_by_their_priorities",
    ),
    MmioMutant(
        "a HEX file begins where the memory does",
        "mmio.boards.images",
        "found[first - start : last - start] = data[first - at : last - at]",
        "found[first - start : last - start] = data[: last - first]",
        "boards/test_images.py::test_what_lies_in_the_memory_is_taken",
    ),
    MmioMutant(
        "blocks of one name are one",
        "mmio.descriptions.rdl.chip",
        "path if last.count(name) > 1 else name:",
        "name:",
        "boards/test_rdl.py::test_elements_and_blocks_of_one_name_are_told_apart",
    ),
    MmioMutant(
        "a handler runs while the model answers",
        "mmio.boards.running",
        "core.due() is not None:\n            after_access(self._deliver)",
        "core.due() is not None:\n            self._deliver()",
        "boards/test_board.py::test_an_interrupt_that_an_access_causes_comes_after_it",
    ),
    MmioMutant(
        "a bit-band has one bit a byte",
        "mmio.boards.memory",
        "self._target + number // 8, number % 8",
        "self._target + number // 8, 0",
        "boards/test_board.py::test_memory",
    ),
    MmioMutant(
        "what a board has reserved stays so",
        "mmio.boards.board",
        "            fixed_pages().free(self._reserved)\n",
        "",
        "boards/test_board.py::test_a_board_after_a_board",
    ),
    MmioMutant(
        "the second test sees the variables of the first",
        "mmio.boards.libraries",
        "    if not _is_loaded(path):\n",
        "    if True:\n",
        "boards/test_board.py::test_firmware_begins_anew",
    ),
    MmioMutant(
        "a level that stays high asks once",
        "mmio.cortex_m.exceptions",
        "        self.pending |= 1 << number & self.lines << EXTERNAL\n",
        "",
        "boards/test_board.py::test_a_handler_that_acknowledges_nothing",
    ),
    MmioMutant(
        "an overrun is not seen",
        "mmio.models.stm32_usart",
        "            sr.ORE = 1  #",
        "            sr.ORE = 0  #",
        "models/test_stm32_usart.py::test_an_overrun_keeps_the_first",
    ),
    MmioMutant(
        "a page write runs into the next page",
        "mmio.models.eeprom_24c",
        "        start = self._pointer & -self.page\n",
        "        start = self._pointer & -self.size\n",
        "models/test_eeprom_24c.py::test_contents_are_those_of_a_reference",
    ),
)
