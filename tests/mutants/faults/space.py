"""Faults in mmio's address space and watchpoints."""

from typing import Final

from tests.mutants.mutant import MmioMutant

_SITE = "known = origin.read_sites.get(origin.ip, NO_SITE)\n                "

SPACE: Final = (
    MmioMutant(
        "a block moved downwards is recorded upwards",
        "mmio.space.initiator",
        '        if backwards:\n            data = b"".join',
        '        if not data:\n            data = b"".join',
        "space/test_initiator.py::test_a_block_moved_downwards_is_recorded_in_its_order",
    ),
    MmioMutant(
        "plain memory that is watched is moved in one piece",
        "mmio.space.initiator",
        "if segment.watched or address + length > segment.end:",
        "if address + length > segment.end:",
        "space/test_initiator.py::test_what_is_watched_is_no_block",
    ),
    MmioMutant(
        "the highest end is not handed up when a range is added",
        "mmio.space.intervals",
        "    if right is not None and right.reach > reach:\n        reach = right.reach\n    return _Node",
        "    return _Node",
        "space/test_intervals.py::test_touching_is_what_a_look_at_every_range_finds",
    ),
    MmioMutant(
        "an access where nothing is, is not marked",
        "mmio.space.part",
        "flags | (UNMAPPED if holes else 0)",
        "flags",
        "space/test_route.py::test_unmapped_answers_when_asked_to",
    ),
    MmioMutant(
        "an access cut by its width is not marked too wide",
        "mmio.space.policy",
        "flags |= SPLIT | TOO_WIDE",
        "flags |= SPLIT",
        "space/test_policy.py::test_vector_accesses_are_split_by_default",
    ),
    MmioMutant(
        "an access one byte over a region's end takes the short way",
        "mmio.space.region",
        "self.limits = Limits((width, self.end - width) for width in plain)",
        "self.limits = Limits((width, self.end - width + 1) for width in plain)",
        "space/test_region.py::test_limits_are_the_last_plain_addresses",
    ),
    MmioMutant(
        "a segment that was replaced still answers whoever kept it",
        "mmio.space.region",
        "        for segment in replaced:\n            segment.limits = Limits()\n",
        "",
        "space/test_region.py::test_a_replaced_segment_is_plain_nowhere",
    ),
    MmioMutant(
        "the lower of two priorities is on top",
        "mmio.space.region",
        "layers = [self._layers[priority] for priority in sorted(self._layers, reverse=True)]",
        "layers = [self._layers[priority] for priority in sorted(self._layers)]",
        "space/test_region.py::test_an_overlay_cuts_what_is_below_and_gives_it_back",
    ),
    MmioMutant(
        "what is watched takes the short way",
        "mmio.space.region",
        "plain = () if self.watched or self.optional",
        "plain = () if self.optional",
        "space/test_region.py::test_watched_bytes_have_segments_of_their_own",
    ),
    MmioMutant(
        "the part of a region behind a watched stretch is cut off an access",
        "mmio.space.region",
        "while end < enough and (after := self.find(end)).region is segment.region and after.end > end:\n"
        "            end = after.end",
        "pass",
        "space/test_region.py::test_watched_bytes_have_segments_of_their_own",
    ),
    MmioMutant(
        "a device's negative answer is taken",
        "mmio.space.route",
        "if type(value) is not int or value >> _BITS[width]:  # a",
        "if type(value) is not int or abs(value) >> _BITS[width]:  # a",
        "space/test_route.py::test_anything_else_is_a_device_error",
    ),
    MmioMutant(
        "an update does not hold the lock",
        "mmio.space.route",
        '        with self.lock:\n            parts = self._parts("update", address, width)',
        '        if True:\n            parts = self._parts("update", address, width)',
        "space/test_route.py::test_updates_do_not_mix",
    ),
    MmioMutant(
        "a row goes to the site of another instruction at the same place",
        "mmio.space.route",
        _SITE + "instruction, region,",
        _SITE + "instruction = origin.instruction\n                _, region,",
        "space/test_sites.py::test_records_are_those_of_single_accesses",
    ),
    MmioMutant(
        "a row goes to the site of another region",
        "mmio.space.route",
        _SITE + "instruction, region,",
        _SITE + "region = hit.recorded_region\n                instruction, _,",
        "space/test_sites.py::test_records_are_those_of_single_accesses",
    ),
    MmioMutant(
        "a row goes to the site of another width",
        "mmio.space.route",
        _SITE + "instruction, region, known_width,",
        _SITE + "known_width = width\n                instruction, region, _,",
        "space/test_sites.py::test_records_are_those_of_single_accesses",
    ),
    MmioMutant(
        "a row is added to a trace that is off",
        "mmio.space.route",
        "            if origin.recorder.enabled:\n                known = origin.read_sites",
        "            if True:\n                known = origin.read_sites",
        "space/test_sites.py::test_records_are_those_of_single_accesses",
    ),
    MmioMutant(
        "threads share their sites",
        "mmio.space.initiator",
        "sites = self._sites.setdefault((self._thread, self._flags), ({}, {}, {}))",
        "sites = self._sites.setdefault((0, self._flags), ({}, {}, {}))",
        "space/test_sites.py::test_records_are_those_of_single_accesses",
    ),
    MmioMutant(
        "a marked access has the site of one without marks",
        "mmio.space.initiator",
        "sites = self._sites.setdefault((self._thread, self._flags), ({}, {}, {}))",
        "sites = self._sites.setdefault((self._thread, 0), ({}, {}, {}))",
        "space/test_sites.py::test_records_are_those_of_single_accesses",
    ),
    MmioMutant(
        "an atomic is recorded without its flag",
        "mmio.space.route",
        "self._record(READ_WRITE, part, value, ATOMIC, only_read.pop(0)[1])",
        "self._record(READ_WRITE, part, value, 0, only_read.pop(0)[1])",
        "space/test_route.py::test_update_is_one_record_with_both_values",
    ),
    MmioMutant(
        "what an update read before it failed is not recorded",
        "mmio.space.route",
        "        finally:\n            for part, value in only_read:",
        "        finally:\n            for part, value in ():",
        "space/test_route.py::test_an_update_that_fails_half_way_was_a_read",
    ),
    MmioMutant(
        "a watchpoint hears of a write with the bytes after it as the old ones",
        "mmio.space.route",
        "        old = contents(parts) if watching else None\n"
        "        for part in parts:\n"
        "            value = part.of(whole, address)\n"
        '            self._write_part(part, value, "write")\n'
        "            self._record(WRITE, part, value)\n",
        "        for part in parts:\n"
        "            value = part.of(whole, address)\n"
        '            self._write_part(part, value, "write")\n'
        "            self._record(WRITE, part, value)\n"
        "        old = contents(parts) if watching else None\n",
        "watchpoints/test_watch.py::test_a_hit_has_the_whole_access_and_the_bytes_watched",
    ),
    MmioMutant(
        "accesses of RAM are recorded",
        "mmio.space.space",
        "name, ANYTHING, recorded=False)",
        "name, ANYTHING)",
        "space/test_space.py::test_the_bus_methods_all_work",
    ),
    MmioMutant(
        "a hit's place ends one byte early",
        "mmio.watchpoints.hit",
        "end = self.offset + len(self.new)\n",
        "end = self.offset + len(self.new) - 1\n",
        "watchpoints/test_hit.py::test_a_hit_reads_on_one_line",
    ),
    MmioMutant(
        "a hit is told of bytes beside those watched",
        "mmio.watchpoints.watch",
        "first, last = max(self.start, address), min(self.end, address + width)",
        "first, last = address, address + width",
        "watchpoints/test_watch.py::test_a_hit_has_the_whole_access_and_the_bytes_watched",
    ),
    MmioMutant(
        "a store of the same bytes is a change",
        "mmio.watchpoints.watch",
        "(before is None or before == new)",
        "before is None",
        "watchpoints/test_watch.py::test_on_says_which_accesses",
    ),
    MmioMutant(
        "a callback's own accesses are hits",
        "mmio.watchpoints.watch",
        "            return function(hit)\n        finally:\n            self._inside.discard(thread)",
        "            self._inside.discard(thread)\n"
        "            return function(hit)\n"
        "        finally:\n"
        "            self._inside.discard(thread)",
        "watchpoints/test_watch.py::test_what_a_callback_does_is_no_hit",
    ),
    MmioMutant(
        "one hit too few is ignored",
        "mmio.watchpoints.watch",
        "if number <= self._ignore:",
        "if number < self._ignore:",
        "watchpoints/test_watch.py::test_ignored_hits_are_only_counted",
    ),
    MmioMutant(
        "a watched vector goes the short way",
        "mmio.space.region",
        "more = self.watched or self.optional",
        "more = self.optional",
        "space/test_pieces.py::test_the_short_way_is_the_long_way",
    ),
    MmioMutant(
        "a vector with a missing byte goes the short way",
        "mmio.space.region",
        "        return () if holes is not None and pieces and holes(address - self.base, width) else pieces\n",
        "        return pieces\n",
        "space/test_pieces.py::test_the_short_way_is_the_long_way",
    ),
    MmioMutant(
        "pieces of a vector are recorded as whole accesses",
        "mmio.space.route",
        "        key, flags = piece or (ip, 0)\n",
        "        key, flags = piece[0] if piece else ip, 0\n",
        "space/test_pieces.py::test_the_short_way_is_the_long_way",
    ),
    MmioMutant(
        "pieces that are read and written are one site",
        "mmio.space.route",
        "key = origin.ip, first if reads else ~first\n",
        "key = origin.ip, first\n",
        "space/test_pieces.py::test_a_site_that_reads_and_writes",
    ),
)
