"""Trained multistation networks: what is saved, and what a service calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.checks import check_kind, check_range, is_traced
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion.mixture._mixture import Mixture, exceedance
from eqstat.ground_motion.network._network import each_member, merge
from eqstat.ground_motion.network.multistation._network import MultistationNetwork
from eqstat.ground_motion.network.multistation._settings import MultistationSettings
from eqstat.ground_motion.network.multistation._views import View
from eqstat.inference import bucket_size, pad_rows

# Views that are evaluated at a time: their activations fit into the cache of a small machine.
BLOCK = 64
# Times by which the factor on the scales changes, and after which it does no more, s.
SOON_S, LATE_S = 5.0, 60.0
# Thresholds that differ by less are the same, log10 units.
SAME = 1e-4


class MultistationEnsemble(Explained, eqx.Module):
    r"""Trained multistation networks: what is saved, and what a service calls.

    The density is the average of the members' densities, with their scales times a factor that
    was learned on held-out events; a probability of a threshold that of the members' ones. With
    $r = 1$ at a site whose own station has reported, else 0, at a time t after the first report
    the factor is

    $$ \exp\Big\{b_0 + b_1 r + (b_2 + b_3 r) \log \Big(1 +
    \frac{\min(t, 60\,\text{s})}{5\,\text{s}}\Big)\Big\}, $$

    because a network is sure of itself too early at some places and too late at others.

    Attributes
    ----------
    members
        Networks, arrays with a leading axis of members.
    temperature
        The coefficients b, (4,); 0 of a network of classes.
    stations
        Names of the stations of the training, in the order of their numbers.
    card_text
        The model card as JSON; `card` parses it.

    References
    ----------
    Lakshminarayanan, B., Pritzel, A. and Blundell, C. (2017), Simple and scalable predictive
    uncertainty estimation using deep ensembles, NeurIPS 30, 6402-6413.

    Examples
    --------
    See `fit_multistation`.
    """

    members: MultistationNetwork
    temperature: Float[Array, "4"]
    stations: tuple[str, ...] = eqx.field(static=True, default=())
    card_text: str = eqx.field(static=True, default="{}")

    @property
    def settings(self) -> MultistationSettings:
        """Sizes of the networks."""
        return self.members.settings

    @property
    def card(self) -> dict[str, Any]:
        """Model card: training data, options and how the training ended."""
        return json.loads(self.card_text)

    def __call__(self, view: View) -> Mixture | Array:
        """Density of log10 PGA (m/s2) at each site, or the probability of each threshold.

        Parameters
        ----------
        view
            One view or a batch.

        Returns
        -------
        Mixture or jax.Array
            (..., sites, members x components), or (..., sites, thresholds) of a network of
            classes, made to decrease with the threshold.
        """
        check_kind("MultistationEnsemble", View, "give a `View`", view=view)
        given, sizes = jnp.shape(view.signal)[-2:], (self.settings.samples, self.settings.channels)
        if given != sizes:
            raise InputError(
                f"MultistationEnsemble: signals have (samples, channels) {given}, not {sizes}"
            )
        return _answer(self.members, self.temperature, view)

    def exceedance(
        self, view: View, log10_threshold: Float[Array, " t"] | Sequence[float]
    ) -> Float[Array, "*rows sites t"]:
        """Probability that the PGA of the earthquake exceeds each threshold at each site.

        Parameters
        ----------
        view
            One view or a batch.
        log10_threshold
            Thresholds, log10 of m/s2, (t,); of a network of classes, some of its own.

        Returns
        -------
        jax.Array
            (..., sites, t)

        Raises
        ------
        eqstat.InputError
            When a network of classes is asked for another threshold; in compiled functions the
            answer is NaN there.
        """
        wanted = jnp.atleast_1d(jnp.asarray(log10_threshold))
        if not is_traced(wanted):
            check_range("exceedance", finite=True, log10_threshold=wanted)
        answer = self(view)
        if isinstance(answer, Mixture):
            return jnp.moveaxis(
                jax.vmap(lambda u: exceedance(answer, u))(wanted.astype(answer.mean.dtype)), 0, -1
            )
        own = np.asarray(self.settings.log10_thresholds)
        if is_traced(wanted):
            apart = jnp.abs(wanted[:, None] - own)
            chance = answer[..., jnp.argmin(apart, axis=1)]
            return jnp.where(jnp.min(apart, axis=1) > SAME, jnp.nan, chance)
        near = np.abs(np.asarray(wanted)[:, None] - own)
        if (near.min(axis=1) > SAME).any():
            raise InputError(
                "exceedance: a network of classes knows the thresholds "
                f"{[round(10 ** float(u), 4) for u in own]} m/s2 only; give some of these"
            )
        return answer[..., near.argmin(axis=1)]

    def numbers(self, names: Sequence[Any]) -> np.ndarray:
        """Numbers of stations by name, -1 for those that the training did not have."""
        number = {name: k for k, name in enumerate(self.stations)}
        return np.array([number.get(str(name), -1) for name in names], np.int64)


@eqx.filter_jit
def _answer(members: Any, temperature: Array, view: View) -> Mixture | Array:
    each = each_member(members, view)
    if isinstance(each, Mixture):
        return merge(each, factors(temperature, view))
    # The probabilities of the published head need not decrease with the threshold.
    return jax.lax.cummin(jnp.mean(each, axis=0), axis=each.ndim - 2)


def factors(temperature: Array, view: View) -> Array:
    """Factors on the scales at each site, (..., sites, 1); see `MultistationEnsemble`."""
    own = jnp.asarray(view.reporting & view.working, temperature.dtype)
    extra = jnp.zeros((*own.shape[:-1], view.extra_station.shape[-1]), own.dtype)
    own = jnp.concatenate([own, extra], axis=-1)
    since = jnp.log1p(jnp.minimum(jnp.asarray(view.elapsed_s), LATE_S) / SOON_S)[..., None]
    first, second, third, fourth = temperature
    return jnp.exp(first + second * own + (third + fourth * own) * since)[..., None]


@eqx.filter_jit
def _block(members: Any, views: View) -> Any:
    return each_member(members, views)


def each_forecast(members: Any, views: View) -> Any:
    """Forecasts of all members, (members, rows, ...), on the host."""
    return in_blocks(lambda part: _block(members, part), views, axis=1)


def in_blocks(function: Callable[[View], Any], views: View, *, axis: int = 0) -> Any:
    """Apply a function to a batch of views, a few at a time, so that memory does not grow.

    Parameters
    ----------
    function
        Of a batch of views, such as a trained network; it sees one size of batch only.
    views
        A batch.
    axis
        Axis of the rows in the answers.

    Returns
    -------
    Any
        What the function answers for all rows, as arrays of NumPy.

    Examples
    --------
    >>> one = View.of_places(jnp.zeros((4, 3)), samples=5)
    >>> views = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], 100, axis=0), one)
    >>> in_blocks(lambda view: view.signal.sum(axis=(2, 3)), views).shape
    (100, 4)
    """
    rows = len(views.elapsed_s)
    size = min(bucket_size(rows), BLOCK)
    parts = []
    for first in range(0, rows, size):
        own = jax.tree.map(lambda leaf: np.asarray(leaf[first : first + size]), views)  # noqa: B023
        kept = [slice(None)] * axis + [slice(len(own.elapsed_s))]
        answer = function(jax.tree.map(lambda leaf: pad_rows(leaf, size), own))
        parts.append(jax.tree.map(lambda leaf: np.asarray(leaf)[tuple(kept)], answer))  # noqa: B023
    return jax.tree.map(lambda *leaves: np.concatenate(leaves, axis=axis), *parts)
