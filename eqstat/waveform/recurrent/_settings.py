"""Sizes of a convolutional recurrent network, and those of CrowdQuake's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from eqstat._core.checks import check_choice, check_kind, check_range, check_whole, refuse
from eqstat._core.explain import Explained


@dataclass(frozen=True, kw_only=True)
class RecurrentSettings(Explained):
    """Sizes of a convolutional recurrent network.

    A window is cut into parts. Convolutions over time, of all three axes at once, run over each
    part, a recurrent cell over the parts, and two dense layers over its last state.

    Attributes
    ----------
    rate_hz
        Samples per second of the windows, 1 to 1,000.
    window_s
        Length of a window, s, above 0; rounded to whole parts.
    part_s
        Length of a part, s, above 0; rounded to whole samples.
    channels
        Channels of the convolutions, one after the other; at least one.
    kernel
        Samples that a convolution sees, at least 1.
    pool
        Neighbours of which the largest is kept after the convolutions, at least 1.
    cell
        "gru", or "simple": a state that is the tanh of a linear map.
    recurrent, dense
        Size of the state, and of the dense layer, at least 1.
    dropout
        Share of values that are dropped in training after the convolutions and the cell, in
        [0, 1).
    scaled
        Whether a window is divided by its root mean square, whose logarithm goes into the dense
        layer instead; otherwise samples are in units of gravity.
    least_share
        Windows with a smaller share of samples are not scored, in (0, 1].

    Raises
    ------
    eqstat.InputError
        When a number is out of range, or a part is too short for the convolutions.

    Examples
    --------
    >>> settings = RecurrentSettings(rate_hz=31.25)
    >>> settings.parts, settings.part, settings.samples
    (4, 16, 64)
    """

    rate_hz: float
    window_s: float = 2.0
    part_s: float = 0.5
    channels: tuple[int, ...] = (16, 16)
    kernel: int = 3
    pool: int = 2
    cell: Literal["gru", "simple"] = "gru"
    recurrent: int = 32
    dense: int = 32
    dropout: float = 0.2
    scaled: bool = True
    least_share: float = 0.8

    def __post_init__(self) -> None:
        """Check the sizes."""
        title = "RecurrentSettings"
        check_range(title, 1, 1000, rate_hz=self.rate_hz)
        check_range(title, 0, 60, ends="(]", window_s=self.window_s, part_s=self.part_s)
        check_kind(title, tuple, "give a tuple of whole numbers", channels=self.channels)
        check_kind(title, bool, "give True or False", scaled=self.scaled)
        refuse(title, (not self.channels, "channels must have at least one number"))
        check_whole(title, 1, channels=self.channels, kernel=self.kernel, pool=self.pool)
        check_whole(title, 1, recurrent=self.recurrent, dense=self.dense)
        check_choice(title, ("gru", "simple"), cell=self.cell)
        check_range(title, 0, 1, ends="[)", dropout=self.dropout)
        check_range(title, 0, 1, ends="(]", least_share=self.least_share)
        least = len(self.channels) * (self.kernel - 1) + self.pool
        refuse(
            title,
            (self.part < least, f"part_s must have {least} samples or more, not {self.part}"),
            (self.parts < 1, "window_s must be at least part_s"),
        )

    @property
    def part(self) -> int:
        """Samples of a part."""
        return round(self.part_s * self.rate_hz)

    @property
    def parts(self) -> int:
        """Parts of a window."""
        return round(self.window_s / self.part_s)

    @property
    def samples(self) -> int:
        """Samples of a window."""
        return self.part * self.parts


def crowdquake(rate_hz: float | int, *, window_s: float | int = 2.0) -> RecurrentSettings:
    """Sizes of CrowdQuake's network: two convolutions of 64, a simple state of 100, dropout 0.5.

    Parameters
    ----------
    rate_hz
        Samples per second; published for 25, 50 and 100.
    window_s
        Length of a window, s; published for 2, 4 and 10.

    Returns
    -------
    RecurrentSettings

    References
    ----------
    Huang, X., Lee, J., Kwon, Y.-W. and Lee, C.-H. (2020), CrowdQuake: a networked system of
    low-cost sensors for earthquake detection via deep learning, KDD '20, 3261-3271,
    doi:10.1145/3394486.3403378.

    Examples
    --------
    >>> import jax
    >>> from eqstat.waveform.recurrent import init_network, parameter_count
    >>> parameter_count(init_network(jax.random.key(0), crowdquake(100.0)))
    340493
    """
    return RecurrentSettings(
        rate_hz=rate_hz,
        window_s=window_s,
        part_s=1.0,
        channels=(64, 64),
        cell="simple",
        recurrent=100,
        dense=100,
        dropout=0.5,
        scaled=False,
    )
