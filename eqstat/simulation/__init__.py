"""Simulate what a network of devices would have sent.

Draw a network (`uniform_box`, `towns`, `population`) or read one (`from_table`), let the sources
of `sources` make its devices trigger, `simulate` thousands of streams, and see which of them a
rule of phone networks detects (`first_detections`). `replicate` repeats any experiment, on one core
or on many; `study2023` repeats a published simulation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
