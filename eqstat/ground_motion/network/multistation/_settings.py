"""Sizes of a multistation network: SENSE and its ablations, and a decoder like TEAM's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from eqstat._core.checks import check_choice, check_kind, check_range, check_whole, refuse
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained, explained


@explained
class Convolution(NamedTuple):
    """One convolution over time without padding, with ReLU units.

    Attributes
    ----------
    filters
        Number of outputs.
    kernel
        Samples that it sees.
    stride
        Samples between its outputs.
    pool
        Neighbours of which the largest is kept afterwards.
    shared
        Whether the same filters run over each channel by itself; only of the first convolutions.

    Examples
    --------
    >>> Convolution(8, 5, stride=5).length(3000)
    600
    """

    filters: int
    kernel: int
    stride: int = 1
    pool: int = 1
    shared: bool = False

    def length(self, samples: int) -> int:
        """Samples after it."""
        return ((samples - self.kernel) // self.stride + 1) // self.pool


SENSE_CONVOLUTIONS = (
    Convolution(8, 5, 5, shared=True),
    Convolution(32, 16),
    Convolution(64, 16, pool=2),
    Convolution(128, 16, pool=2),
    Convolution(32, 8, pool=2),
    Convolution(32, 8),
    Convolution(16, 4),
)
"""Convolutions of 30 s at 100 Hz: Huang et al. (2024), Table I."""
SMALL_CONVOLUTIONS = (
    Convolution(8, 5, 5, shared=True),
    Convolution(32, 16, pool=2),
    Convolution(64, 8, pool=2),
    Convolution(16, 4, pool=2),
)
"""Convolutions of 30 s at 25 Hz, for a few processor cores."""
ENVELOPE_CONVOLUTIONS = (
    Convolution(16, 3),
    Convolution(32, 3, pool=2),
    Convolution(32, 3, pool=2),
)
"""Convolutions of 30 s of one-second envelopes."""

ABLATIONS = {
    "A": {},
    "B": {"weights": False, "early": False},
    "C": {"weights": False, "late": False},
    "D": {"early": False, "late": False},
    "E": {"weights": False, "early": False, "late": False},
}
"""What the rows A to E of Table VII of Huang et al. (2024) leave out."""


@dataclass(frozen=True, kw_only=True)
class MultistationSettings(Explained):
    """Sizes and parts of a multistation network.

    Attributes
    ----------
    stations
        Number of stations with embeddings of their own, at least 1.
    samples, channels
        Of the signal of a station, at least 1.
    scaled
        Whether a signal is divided by its largest absolute value, whose logarithm is kept as one
        more input; otherwise the logarithm of the signal is taken, which suits envelopes.
    convolutions
        Convolutions of each signal, one after the other.
    encoder
        Sizes of the hidden layers between the convolutions and the width; may be none.
    width
        Length of the vectors of a station, a multiple of `heads` and of 10.
    layers, heads, feed_forward
        Layers of attention, heads of each, and size of their hidden layer.
    blending
        "transformer", or "conformer": with a convolution over the stations in their order, so
        that the answer depends on that order.
    decoder
        "stations": every place is a token beside the stations (SENSE), or "queries": the places
        ask the encoded stations by cross-attention (like TEAM).
    decoder_layers
        Layers of cross-attention, where the decoder is "queries".
    silent
        Whether stations that have not reported are attended to; known to be silent so far.
    early, late, weights
        Whether there are embeddings of stations before and after the layers, and a weight of
        each station between its signal and its place.
    head
        "mixture": a density of log10 PGA, or "classes": the probability of exceeding each
        threshold.
    components
        Gaussians of the mixture.
    log10_thresholds
        Thresholds of the classes, log10 of m/s2, increasing.
    readout
        Sizes of the hidden layers of the head.
    base
        Whether the mixture is a correction of another forecast, the `base` of a `View`.
    wavelength_km
        Shortest and longest wavelength by which places are encoded.

    Raises
    ------
    eqstat.InputError
        When a number is out of range or parts do not fit together.

    Examples
    --------
    >>> settings = MultistationSettings(stations=250)
    >>> settings.width, settings.encoded
    (60, 160)
    """

    stations: int
    samples: int = 30
    channels: int = 1
    scaled: bool = False
    convolutions: tuple[Convolution, ...] = ENVELOPE_CONVOLUTIONS
    encoder: tuple[int, ...] = ()
    width: int = 60
    layers: int = 2
    heads: int = 4
    feed_forward: int = 120
    blending: Literal["transformer", "conformer"] = "transformer"
    decoder: Literal["stations", "queries"] = "stations"
    decoder_layers: int = 1
    silent: bool = True
    early: bool = True
    late: bool = True
    weights: bool = True
    head: Literal["mixture", "classes"] = "mixture"
    components: int = 5
    log10_thresholds: tuple[float, ...] = ()
    readout: tuple[int, ...] = (60, 30)
    base: bool = False
    wavelength_km: tuple[float, float] = (1.0, 1500.0)

    def __post_init__(self) -> None:
        """Check the sizes."""
        title = "MultistationSettings"
        check_whole(title, 1, stations=self.stations, samples=self.samples, channels=self.channels)
        check_whole(title, 1, width=self.width, layers=self.layers, heads=self.heads)
        check_whole(title, 1, feed_forward=self.feed_forward, components=self.components)
        check_whole(title, 1, decoder_layers=self.decoder_layers)
        flags = ("scaled", "silent", "early", "late", "weights", "base")
        remedy = "give True or False"
        check_kind(title, bool, remedy, **{name: getattr(self, name) for name in flags})
        check_choice(title, ("transformer", "conformer"), blending=self.blending)
        check_choice(title, ("stations", "queries"), decoder=self.decoder)
        check_choice(title, ("mixture", "classes"), head=self.head)
        for name in ("convolutions", "encoder", "readout", "log10_thresholds"):
            check_kind(title, tuple, "give a tuple", **{name: getattr(self, name)})
        if self.encoder or self.readout:
            check_whole(title, 1, encoder=self.encoder or 1, readout=self.readout or 1)
        low, high = self.wavelength_km
        check_range(title, 0, ends="()", wavelength_km=[low, high])
        steps = [b - a for a, b in pairwise(self.log10_thresholds)]
        classes = self.head == "classes"
        shared = [each.shared for each in self.convolutions]
        refuse(
            title,
            (self.width % self.heads or self.width % 10, "width must be a multiple of heads, 10"),
            (high <= low, "wavelength_km must be two increasing numbers"),
            (classes and not self.log10_thresholds, "log10_thresholds: classes need at least one"),
            (min(steps, default=1.0) <= 0, "log10_thresholds must increase"),
            (classes and self.base, "base: only a mixture can correct another forecast"),
            (shared != sorted(shared, reverse=True), "convolutions: only the first can be shared"),
        )
        if self.convolutions and self.lengths[-1] < 1:
            raise InputError(
                f"{title}: samples must be more than {self.samples}: nothing is left after the "
                f"convolutions (lengths {list(self.lengths)})"
            )

    @property
    def lengths(self) -> tuple[int, ...]:
        """Samples after each convolution."""
        out, length = [], self.samples
        for each in self.convolutions:
            length = max(each.length(length), 0)
            out.append(length)
        return tuple(out)

    @property
    def encoded(self) -> int:
        """Numbers of a station after the convolutions, without the scale of its signal."""
        if not self.convolutions:
            return self.samples * self.channels
        last = self.convolutions[-1]
        return self.lengths[-1] * last.filters * (self.channels if last.shared else 1)

    @property
    def outputs(self) -> int:
        """Outputs of the head at each place."""
        return 3 * self.components if self.head == "mixture" else len(self.log10_thresholds)


def sense(
    stations: int, *, size: str = "small", signal: str = "envelopes", **options: Any
) -> MultistationSettings:
    """Sizes of SENSE: as published (13 million parameters), or small enough for two cores.

    Parameters
    ----------
    stations
        Number of stations; 250 in Taiwan, 707 in Japan.
    size
        "small", or "paper": a width of 500, six layers of ten heads, hidden layers of 1,000.
    signal
        "envelopes": 30 s of one-second envelopes; "waveforms": 30 s of three components at 25 Hz.
        The published size takes waveforms at 100 Hz whatever is given here.
    **options
        Further settings, such as a row of `ABLATIONS`, `head` or `blending`.

    Returns
    -------
    MultistationSettings

    Raises
    ------
    eqstat.InputError
        When a choice is unknown, or a setting.

    References
    ----------
    Huang, Y.-M. et al. (2024), An Attention-based Framework with Multistation Information for
    Earthquake Early Warnings (SENSE), arXiv:2412.18099, Table I and section IV-B1.

    Examples
    --------
    >>> sense(250, size="paper").encoded, sense(250, **ABLATIONS["E"]).early
    (864, False)
    """
    check_choice("sense", ("small", "paper"), size=size)
    check_choice("sense", ("envelopes", "waveforms"), signal=signal)
    _known("sense", options)
    if size == "paper":
        large: dict[str, Any] = {
            "samples": 3000, "channels": 3, "scaled": True, "convolutions": SENSE_CONVOLUTIONS,
            "encoder": (500, 500), "width": 500, "layers": 6, "heads": 10, "feed_forward": 1000,
        }  # fmt: skip
        large["readout"] = (500, 150, 100, 50, 30)
        if options.get("head", "mixture") == "mixture":
            large["readout"] += (10,)
        return _settings(stations, large, options)
    if signal == "waveforms":
        given = {"samples": 750, "channels": 3, "scaled": True, "convolutions": SMALL_CONVOLUTIONS}
        return _settings(stations, given, options)
    return _settings(stations, {}, options)


def team(stations: int, *, signal: str = "envelopes", **options: Any) -> MultistationSettings:
    """Sizes of a small decoder like that of TEAM: places ask the stations by cross-attention.

    Stations have no embeddings, those that have not reported are left out, and a place is known by
    its coordinates only.

    Parameters
    ----------
    stations, signal, **options
        As of `sense`.

    Returns
    -------
    MultistationSettings

    References
    ----------
    Münchmeyer, J., Bindi, D., Leser, U. and Tilmann, F. (2021), The transformer earthquake alerting
    model: a new versatile approach to earthquake early warning, Geophysical Journal International
    225, 646-656, doi:10.1093/gji/ggaa609.

    Examples
    --------
    >>> team(250).decoder
    'queries'
    """
    _known("team", options)
    plain = {**ABLATIONS["E"], "silent": False, "decoder": "queries"}
    return sense(stations, signal=signal, **{**plain, **options})


def _settings(
    stations: int, given: dict[str, Any], options: dict[str, Any]
) -> MultistationSettings:
    return replace(MultistationSettings(stations=stations), **{**given, **options})


def _known(owner: str, options: dict[str, Any]) -> None:
    """Refuse options that are no settings."""
    names = set(MultistationSettings.__dataclass_fields__)
    if unknown := sorted(set(options) - names):
        raise InputError(
            f"{owner}: there is no setting {unknown[0]!r}; there are {', '.join(sorted(names))}"
        )
