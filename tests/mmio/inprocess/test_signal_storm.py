"""A storm of signals at a driver in this process, whose handlers in C access the device themselves."""

from pathlib import Path

import pytest

from tests.mmio.storm import STORM
from tests.native import build_c, run_python

# In a process of its own: pytest-timeout has a handler in Python for SIGALRM, which is therefore not held back.
PROGRAM = """
import struct, sys
from collections import Counter
from ctypes import CDLL, c_uint
from decode import WRITE
from mmio.inprocess import ioremap
from tests.mmio.inprocess.models import Bytes
from tests.mmio.storm import WORKERS
driver = CDLL(sys.argv[1])
device = Bytes(256)
with ioremap(device, widths=(1, 2, 4, 8, 16, 32)) as mapping:
    assert driver.storm(mapping, c_uint(int(sys.argv[2]))) == 0
    written = Counter(access.offset for access in mapping.trace if access.direction & WRITE)
words = struct.unpack_from("64I", device.data)
counted = [*range(WORKERS), *range(8, 8 + WORKERS)]
assert [written[4 * word] for word in counted] == [words[word] for word in counted]
print(sum((c_uint * WORKERS).in_dll(driver, "handled")))
"""


@pytest.mark.parametrize("seed", range(3))
def test_handlers_that_access_the_device(tmp_path: Path, seed: int) -> None:
    """Each access is made once and recorded once; handlers come between the driver's instructions, never in a model."""
    done = run_python(PROGRAM, str(build_c(STORM, tmp_path)), str(seed))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 20
