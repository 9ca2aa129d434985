"""Which velocity model explains the triggers: evidence of the posteriors under each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.traveltime._data import Observations, as_observations
from eqstat.traveltime._grid import grid
from eqstat.traveltime._grids._posterior import GridPosterior
from eqstat.traveltime._parameters import LikelihoodName, Prior
from eqstat.traveltime.comparison._compare import STRONG
from eqstat.velocity import VelocityLike


@dataclass(frozen=True)
class VelocityComparison(Explained):
    """Log evidence of velocity models, and the posterior of the hypocentre under each.

    Attributes
    ----------
    log_evidence
        Natural logarithm of the marginal density of the trigger times, by the model's name.
    posteriors
        Posterior under each, by the same names.

    Examples
    --------
    >>> comparison = VelocityComparison({"constant": -20.0, "iasp91": -12.5})
    >>> comparison.preferred, comparison.is_clear
    ('iasp91', True)
    >>> print(comparison)
    iasp91 has most evidence: its logarithm is greater by 7.5 than that of constant
    """

    log_evidence: Mapping[str, float]
    posteriors: Mapping[str, GridPosterior] = field(default_factory=dict, repr=False)

    @property
    def _ranked(self) -> list[str]:
        return sorted(self.log_evidence, key=self.log_evidence.__getitem__, reverse=True)

    @property
    def preferred(self) -> str:
        """Name of the model with most evidence."""
        return self._ranked[0]

    @property
    def is_clear(self) -> bool:
        """Whether its evidence is strong: 20 times that of the next (log Bayes factor 3)."""
        first, second = self._ranked[:2]
        return self.log_evidence[first] - self.log_evidence[second] > STRONG

    def __str__(self) -> str:
        first, *others = self._ranked
        ahead = ", by ".join(
            f"{self.log_evidence[first] - self.log_evidence[name]:.1f} than that of {name}"
            for name in others
        )
        clear = "" if self.is_clear else "; the triggers do not tell them apart"
        return f"{first} has most evidence: its logarithm is greater by {ahead}{clear}"


def compare_velocities(
    observations: Observations | pd.DataFrame,
    velocities: Mapping[str, VelocityLike] | Iterable[str],
    *,
    likelihood: LikelihoodName = "gaussian",
    wave: Literal["P", "S"] | None = None,
    prior: Prior | None = None,
    key: PRNGKeyArray | None = None,
    known: Mapping[str, GridPosterior] | None = None,
) -> VelocityComparison:
    r"""Compare velocity models by the evidence of the trigger times under each.

    The evidence of the velocity model $v$,

    .. math:: Z_v = \int p(t \mid \theta, v)\, p(\theta)\, d\theta,

    integrates over hypocentre, origin time and scatter as `grid` does, with the same prior for
    all. A model in which waves are wrongly fast or slow needs a larger scatter, or a hypocentre
    that is improbable before. Triggers near each other hardly depend on the velocity; the evidence
    then says that they do not tell the models apart.

    Parameters
    ----------
    observations
        From `prepare(...)`; their own velocity model does not matter.
    velocities
        Two models or more by name, or names of models (see `eqstat.velocity.as_velocity`).
    likelihood, wave, prior, key
        As in `grid`.
    known
        Posteriors from `grid` with these arguments that exist already, by the name of their model.

    Returns
    -------
    VelocityComparison

    Raises
    ------
    eqstat.InputError
        For fewer than two models, or one that does not exist.
    eqstat.inference.InferenceError
        With too few triggers or places, or where nothing finite comes out.

    References
    ----------
    Kass, R. E. and Raftery, A. E. (1995), Bayes factors, JASA 90, 773-795,
    doi:10.1080/01621459.1995.10476572.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> comparison = traveltime.comparison.compare_velocities(table, ["constant", "iasp91"])
    >>> comparison.is_clear
    False
    """
    if likelihood == "mixture":
        check_key("compare_velocities", key)
    observations = as_observations("compare_velocities", observations)
    named = velocities if isinstance(velocities, Mapping) else {name: name for name in velocities}
    if len(named) < 2:
        raise InputError(f"compare_velocities: two models or more are compared, not {len(named)}")
    posteriors = {
        name: known[name]
        if known and name in known
        else grid(
            observations.with_velocity(model),
            likelihood=likelihood,
            wave=wave,
            prior=prior,
            key=key,
        )
        for name, model in named.items()
    }
    evidence = {name: posterior.log_evidence for name, posterior in posteriors.items()}
    return VelocityComparison(evidence, posteriors)
