"""Faults in PCI functions, in DMA and in virtio devices."""

from typing import Final

from tests.mutants.mutant import MmioMutant

PCI: Final = (
    MmioMutant(
        "a region is asked for at half its size",
        "mmio.pci.bar",
        "last = (self.size - 1).bit_length()",
        "last = (self.size - 1).bit_length() - 1",
        "pci/test_bar.py::test_sizing",
    ),
    MmioMutant(
        "the upper half of a wide region's address is that of a small one",
        "mmio.pci.bar",
        "max(last - 32, 0)",
        "0",
        "pci/test_bar.py::test_sizing",
    ),
    MmioMutant(
        "a region answers whatever COMMAND says",
        "mmio.pci.function",
        "return self.config.command.MEMORY == 1 and self._power == 0",
        "return self._power == 0",
        "pci/test_bar.py::test_decodes",
    ),
    MmioMutant(
        "accesses to a region do not move its model's clock",
        "mmio.pci.bar",
        "class Window(Fronting):",
        "class Window:",
        "pci/test_function.py::test_the_clock_of_a_model",
    ),
    MmioMutant(
        "the list of capabilities has no end",
        "mmio.pci.config",
        "ordinary[number + 1][0] if number + 1 < len(ordinary) else 0",
        "ordinary[number + 1][0] if number + 1 < len(ordinary) else ordinary[0][0]",
        "pci/test_capabilities.py::test_list_is_well_formed",
    ),
    MmioMutant(
        "a message that was masked is lost",
        "mmio.pci.interrupts",
        "            self._set_pending(mode, vector, True)\n            return\n",
        "            return\n",
        "pci/test_interrupts.py::test_msi_masked pci/test_interrupts.py::test_msix",
    ),
    MmioMutant(
        "a function that is no bus master reaches memory",
        "mmio.pci.function",
        "if not self.function.config.command.MASTER:",
        "if False:",
        "pci/test_function.py::test_dma",
    ),
    MmioMutant(
        "a stale address is taken for one that was never mapped",
        "mmio.device.dma",
        "reversed(self._former) if one.iova <= at < one.end",
        "reversed(self._former) if one.iova < at < one.iova",
        "device/test_dma.py::test_stale_address",
    ),
    MmioMutant(
        "a transfer goes on behind a mapping",
        "mmio.device.dma",
        "size = min(one.end, end) - at",
        "size = end - at",
        "device/test_dma.py::test_as_a_table_of_bytes",
    ),
    MmioMutant(
        "DMA for a child goes to its parent",
        "mmio.ptrace.tracer",
        "thread = self._threads.get(self._event_loop.served)\n        return None",
        "thread = next(iter(self._threads.values()), None)\n        return None",
        "program/test_accessing.py::test_process_of_the_access",
    ),
    MmioMutant(
        "a file is not found from its directory",
        "mmio.program.redirect",
        "        path = self._targets.named(path)\n",
        "",
        "program/test_pci_functions.py::test_paths_of_all_kinds",
    ),
    MmioMutant(
        "pagemap gives no frames",
        "mmio.program.pci_functions",
        "entry = entry & ~_FRAME | page",
        "entry = entry & ~_FRAME",
        "program/test_pci_functions.py::test_driver_in_user_space",
    ),
    MmioMutant(
        "a descriptor beyond the table is read",
        "mmio.virtio.queue",
        "            if at >= entries:\n",
        "            if at > entries:\n",
        "virtio/test_queue.py::test_what_the_specification_forbids",
    ),
    MmioMutant(
        "an interrupt by index comes one chain early",
        "mmio.virtio.queue",
        "(self.used - wanted - 1) % _AROUND",
        "(self.used - wanted) % _AROUND",
        "virtio/test_queue.py::test_interrupts_by_index",
    ),
    MmioMutant(
        "features that were not offered are accepted",
        "mmio.virtio.transport",
        "fits = not chosen & ~self.features and chosen & VERSION_1",
        "fits = chosen & VERSION_1",
        "virtio/test_transport.py::test_negotiation",
    ),
)
