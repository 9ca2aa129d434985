"""Simulate what a network of devices would have sent.

Draw a network (`uniform_box`, `towns`, `population`) or read one (`from_table`), let the sources
of `sources` make its devices trigger, `simulate` thousands of streams, and see which of them a
rule of phone networks detects (`first_detections`). `replicate` repeats any experiment, on one core
or on many; `study2023` repeats a published simulation.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
