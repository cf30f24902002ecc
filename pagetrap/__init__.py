"""All public names of `decode`, `emulate` and `mmio`: `pagetrap.ioremap` is `mmio.ioremap`.

Importing it loads none of the three. A name is looked up when it is first used, and raises an ImportError that says
what to do when a package of another distribution has been installed over one of pagetrap's.

A name is the same object here as in its package, so `pagetrap.decode` is the function, not the package. The public
packages below the three are attributes: `pagetrap.models`, `cortex_m`, `faults`, `pci`, `virtio`, `strategies` and
`conformance`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # and loaded when they are used: see `names`
    import decode as _decode
    import emulate as _emulate
    import mmio as _mmio
    from decode import *
    from emulate import *
    from emulate import conformance as conformance
    from mmio import *
    from mmio import cortex_m as cortex_m
    from mmio import faults as faults
    from mmio import models as models
    from mmio import pci as pci
    from mmio import strategies as strategies
    from mmio import virtio as virtio

    __all__: list[str] = []
    __all__ += _decode.__all__
    __all__ += _emulate.__all__
    __all__ += _mmio.__all__
else:
    from pagetrap.names import directory as __dir__
    from pagetrap.names import find as __getattr__
