"""The weekly profile and the slow intensity of each region: what a history says, and a filter."""

from __future__ import annotations

from eqstat.counts._intensity._parameters import Intensity

__all__ = ["Intensity"]
