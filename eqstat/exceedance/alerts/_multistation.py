"""Multistation networks as alert rules, by themselves or on the forecast of another rule."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.exceedance.alerts._rules import Snapshot
from eqstat.ground_motion.mixture import Mixture, mean_and_sd
from eqstat.ground_motion.network.multistation import MultistationEnsemble, View


class MultistationRule(Explained, eqx.Module):
    """Warn by a trained multistation network; reads the `view` of a snapshot.

    Attributes
    ----------
    network
        From `eqstat.ground_motion.network.multistation.fit_multistation`, or a file of it.
    base
        A rule with `predictive` whose forecast the network was trained to correct, such as
        `SpatiallyConditioned`; None for a network without a base.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from eqstat.exceedance.alerts import Design, simulate, snapshots
    >>> from eqstat.ground_motion.network import Examples, TrainingOptions
    >>> from eqstat.ground_motion.network.multistation import fit_multistation, sense
    >>> design = Design(stations=4, growth="envelope")
    >>> scenarios = simulate(jax.random.key(0), 12, design)
    >>> each = [snapshots(scenarios, number, [12.0]) for number in range(12)]
    >>> views = jax.tree.map(lambda *leaves: np.concatenate(leaves), *(s.view for s in each))
    >>> examples = Examples(views, np.log10(scenarios.pga_m_s2), np.arange(12))
    >>> fitted = fit_multistation(
    ...     jax.random.key(1), examples, sense(4, width=20, convolutions=()), members=1,
    ...     options=TrainingOptions(epochs=3, batch=8))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[0], each[0])
    >>> MultistationRule(fitted.network)(snapshot, jnp.array([-1.0, 0.0])).shape
    (4, 2)
    """

    network: MultistationEnsemble
    base: Any = None

    def __call__(
        self, snapshot: Snapshot, log10_threshold: Float[Array, "t"]
    ) -> Float[Array, "s t"]:
        """Probability of exceeding each threshold at each site, (s, t); see `Rule`.

        No source is needed. It is 1 at sites whose own peak has passed the threshold.
        """
        chance = self.network.exceedance(self._view(snapshot), log10_threshold)
        at = snapshot.site_station
        peak = jnp.where(at >= 0, snapshot.peak_m_s2[at], 0.0)
        return jnp.where(peak[:, None] > 10.0**log10_threshold, 1.0, chance)

    def predictive(self, snapshot: Snapshot) -> Mixture:
        """Mixture of log10 PGA (m/s2) at each site, (s, components).

        Raises
        ------
        eqstat.InputError
            When the network has classes, which are no density.
        """
        answer = self.network(self._view(snapshot))
        if not isinstance(answer, Mixture):
            raise InputError("MultistationRule: a network of classes has no density")
        return answer

    def _view(self, snapshot: Snapshot) -> View:
        view = snapshot.view
        if view is None:
            raise InputError("MultistationRule: the snapshot has no view; give it one")
        if self.base is None:
            return view
        return eqx.tree_at(lambda v: v.base, view, base_of(self.base, snapshot))


def base_of(rule: Any, snapshot: Snapshot) -> Float[Array, "s 2"]:
    """Mean and standard deviation of a rule's forecast at each site: the `base` of a view.

    Parameters
    ----------
    rule
        A rule with `predictive`.
    snapshot
        The data at one time (use `jax.lax.map` for several).

    Returns
    -------
    jax.Array
        Log10 units, (s, 2).

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, StationConditioned, simulate, snapshots
    >>> from eqstat.ground_motion import PointSource
    >>> scenarios = simulate(jax.random.key(0), 1, Design(stations=4))
    >>> snapshot = jax.tree.map(lambda leaf: leaf[-1], snapshots(scenarios, 0, [0.0, 20.0]))
    >>> base_of(StationConditioned(PointSource()), snapshot).shape
    (4, 2)
    """
    return jnp.stack(mean_and_sd(rule.predictive(snapshot)), axis=-1)
