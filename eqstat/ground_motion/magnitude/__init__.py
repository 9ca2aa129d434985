"""Magnitude of a located earthquake from the peaks that stations and phones report.

`from_peaks` gives a hypocentre of any locator a magnitude: joint posterior draws, with event term,
station terms and correlated record terms marginalised over; peaks that were clipped, are lost in
noise or never came are censored. `simulate` draws such peaks, `GutenbergRichter` is the prior.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
