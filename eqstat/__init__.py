"""Probabilistic statistics for crowdsourced and low-cost-sensor earthquake early warning.

Each package answers one question; it is imported when it is first used, so that `import eqstat`
costs nothing and changes nothing. Start with `eqstat.traveltime`: where and when did it start?
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eqstat import (
        calibration,
        cli,
        counts,
        datasets,
        detectability,
        detection,
        edge,
        exceedance,
        geodesy,
        ground_motion,
        hypocentre,
        inference,
        plots,
        realtime,
        schema,
        service,
        simulation,
        traveltime,
        velocity,
        waveform,
    )
    from eqstat._cite import cite as cite
    from eqstat._core.errors import InputError as InputError

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "__version__",
    "calibration",
    "cite",
    "cli",
    "counts",
    "datasets",
    "detectability",
    "detection",
    "edge",
    "exceedance",
    "geodesy",
    "ground_motion",
    "hypocentre",
    "inference",
    "plots",
    "realtime",
    "schema",
    "service",
    "simulation",
    "traveltime",
    "velocity",
    "waveform",
]


# Names that are no packages, and the modules that have them.
_NAMES = {"InputError": "eqstat._core.errors", "cite": "eqstat._cite"}


def __getattr__(name: str) -> Any:
    """Import a package when it is first asked for."""
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the packages beside the names that are already here."""
    return sorted({*globals(), *__all__})
