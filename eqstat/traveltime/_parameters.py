"""Parameters of the likelihoods, each written once, and their priors.

A field of `GaussianParameters` or `MixtureParameters` states its default, unit and range, and
the prior it has: an attribute of `Prior`. Everything else derives from the fields: the sites of
the NumPyro model, starting values, coordinates without bounds, labels, validation. A parameter is
added by a field here, a prior here, and its use in `_likelihood`, which also draws trigger times.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import xarray as xr
from jaxtyping import Array, Float
from numpyro.distributions.constraints import unit_interval
from numpyro.distributions.transforms import AffineTransform, biject_to

from eqstat._core.checks import check_fields, check_kind, check_range, is_traced
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.geodesy import LocalFrame
from eqstat.traveltime._seismicity import EpicentreDensity, local_density

MAX_DEPTH_KM = 500.0

Scalar = Float[Array, ""] | float
LikelihoodName = Literal["gaussian", "mixture"]
HYPOCENTRE = ("east_km", "north_km", "depth_km", "origin_time_s")


def _parameter(
    *,
    unit: str = "1",
    low: float = -np.inf,
    high: float = np.inf,
    prior: str | None = None,
    site: str | None = None,
    with_silent: bool = False,
    identified: bool = True,
    default: float | None = None,
) -> Any:
    """A field with what else is known of a parameter.

    Parameters
    ----------
    unit, low, high
        Its unit and the closed range of its values.
    prior
        The attribute of `Prior` that is its prior; None for the hypocentre.
    site
        The site of the NumPyro model, where it is not the field's own: fields of one site are
        components of a simplex.
    with_silent
        Whether it matters with silent devices only.
    identified
        Whether the data determine it at all, given the mean arrival.
    default
        Its default; None where a value must be given.
    """
    about = {
        "unit": unit,
        "range": (low, high),
        "prior": prior,
        "site": site,
        "with_silent": with_silent,
        "identified": identified,
    }
    keywords: dict[str, Any] = {} if default is None else {"default": default}
    return eqx.field(metadata=about, **keywords)


def _check_ranges(params: eqx.Module) -> None:
    """Refuse concrete values out of range; traced values pass, they come from inside."""
    fields = params.__dataclass_fields__.values()
    check_fields(params, **{f.name: f.metadata["range"] for f in fields})


class GaussianParameters(Explained, eqx.Module):
    """Parameters of the Gaussian likelihood; every trigger is of one wave.

    Attributes
    ----------
    east_km, north_km
        Epicentre in the local frame, scalars.
    depth_km
        Depth, positive down, in [0, 700].
    origin_time_s
        Origin time after the reference time.
    sd_s
        Standard deviation of a trigger time about its arrival.
    trigger_probability
        Probability that an active device triggers eventually; used with silent devices only.

    Examples
    --------
    >>> GaussianParameters(east_km=5.0, north_km=-3.0, depth_km=12.0, origin_time_s=0.0).sd_s
    1.29
    """

    east_km: Scalar = _parameter(unit="km")
    north_km: Scalar = _parameter(unit="km")
    depth_km: Scalar = _parameter(unit="km", low=0.0, high=700.0)
    origin_time_s: Scalar = _parameter(unit="s")
    sd_s: Scalar = _parameter(default=1.29, unit="s", low=1e-6, high=1e3, prior="sd_s")
    trigger_probability: Scalar = _parameter(
        default=0.5, low=0.0, high=1.0, prior="trigger_probability", with_silent=True
    )

    def __check_init__(self) -> None:
        _check_ranges(self)


class MixtureParameters(Explained, eqx.Module):
    """Parameters of the mixture likelihood; a trigger is of P, of S, or background.

    Attributes
    ----------
    east_km, north_km, depth_km, origin_time_s
        As in `GaussianParameters`.
    delay_s
        Mean delay of a trigger after the arrival that caused it.
    scatter_s
        Standard deviation of that delay.
    p_share, s_share
        Shares of triggers caused by P and by S; the rest is background. Their sum is below 1.
    trigger_probability
        Probability that an active device triggers eventually; used with silent devices only.
    p_slowness_ratio, s_slowness_ratio
        Travel times of the region over those of the velocity model: the error of the model as a
        whole. All triggers share this error, so it widens a region as scatter cannot.
    slowness_east, slowness_north
        Relative excess of travel times towards the east and the north (and deficit towards the
        west and the south), of both waves: the first azimuthal term of the model's error.

    Examples
    --------
    >>> params = MixtureParameters(5.0, -3.0, 12.0, 0.0, p_share=0.5, s_share=0.3)
    >>> round(params.background_share, 3)
    0.2
    """

    east_km: Scalar = _parameter(unit="km")
    north_km: Scalar = _parameter(unit="km")
    depth_km: Scalar = _parameter(unit="km", low=0.0, high=700.0)
    origin_time_s: Scalar = _parameter(unit="s")
    delay_s: Scalar = _parameter(default=2.0, unit="s", prior="delay_s", identified=False)
    scatter_s: Scalar = _parameter(default=0.8, unit="s", low=1e-6, high=1e3, prior="scatter_s")
    p_share: Scalar = _parameter(default=0.4, low=0.0, high=1.0, prior="shares", site="shares")
    s_share: Scalar = _parameter(default=0.4, low=0.0, high=1.0, prior="shares", site="shares")
    trigger_probability: Scalar = _parameter(
        default=0.5, low=0.0, high=1.0, prior="trigger_probability", with_silent=True
    )
    p_slowness_ratio: Scalar = _parameter(default=1.0, low=0.5, high=2.0, prior="slowness_ratio")
    s_slowness_ratio: Scalar = _parameter(default=1.0, low=0.5, high=2.0, prior="slowness_ratio")
    slowness_east: Scalar = _parameter(default=0.0, prior="slowness_lateral")
    slowness_north: Scalar = _parameter(default=0.0, prior="slowness_lateral")

    def __check_init__(self) -> None:
        _check_ranges(self)
        shares = self.p_share, self.s_share
        if not any(is_traced(share) for share in shares) and np.any(np.add(*shares) > 1 + 1e-6):
            raise InputError(
                "MixtureParameters: p_share and s_share must sum to 1 at most, not "
                f"{np.max(np.add(*shares)):g}"
            )

    @property
    def background_share(self) -> Scalar:
        """Share of triggers that no earthquake caused."""
        return 1.0 - self.p_share - self.s_share


Parameters = GaussianParameters | MixtureParameters
KINDS: dict[str, type[GaussianParameters] | type[MixtureParameters]] = {
    "gaussian": GaussianParameters,
    "mixture": MixtureParameters,
}


class Site(NamedTuple):
    """A site of the NumPyro model other than the hypocentre, and its fields.

    Attributes
    ----------
    name
        Its name in the model and in posteriors.
    prior
        The attribute of `Prior`.
    fields
        Fields of the parameter object: one, or the first components of a simplex.
    labels
        A name for each component.
    unit
        Of its values.
    identified
        Whether the data determine it at all, given the mean arrival.
    """

    name: str
    prior: str
    fields: tuple[str, ...]
    labels: tuple[str, ...]
    unit: str
    identified: bool


@cache
def sites_of(likelihood: LikelihoodName, has_silent: bool) -> tuple[Site, ...]:
    """Sites of a likelihood other than the hypocentre, in the order of its fields."""
    groups: dict[str, list[Any]] = {}
    for field in KINDS[likelihood].__dataclass_fields__.values():
        about = field.metadata
        if about["prior"] is not None and (has_silent or not about["with_silent"]):
            groups.setdefault(about["site"] or field.name, []).append(field)
    sites = []
    for name, fields in groups.items():
        names = tuple(field.name for field in fields)
        labels = names if names == (name,) else (*names, "background_share")
        about = fields[0].metadata
        sites.append(Site(name, about["prior"], names, labels, about["unit"], about["identified"]))
    return tuple(sites)


def labels_of(name: str) -> tuple[str, ...]:
    """Names of the components of a site; of a scalar its own."""
    every = (site for kind in KINDS for site in sites_of(kind, True))
    return next((site.labels for site in every if site.name == name), (name,))


def parameters_of(values: Mapping[str, Any]) -> Parameters:
    """Build the likelihood's parameter object from sites of the model; batches pass through."""
    likelihood = "mixture" if "shares" in values else "gaussian"
    fields = {name: values[name] for name in HYPOCENTRE}
    for site in sites_of(likelihood, "trigger_probability" in values):
        value = values[site.name]
        if len(site.labels) == 1:
            fields[site.name] = value
        else:
            fields |= {name: value[..., i] for i, name in enumerate(site.fields)}
    return KINDS[likelihood](**fields)


def nominal_values(likelihood: LikelihoodName, prior: Prior, has_silent: bool) -> dict[str, Array]:
    """Prior means of the sites other than the hypocentre: where a search starts."""
    return {
        site.name: jnp.asarray(getattr(prior, site.prior).mean)
        for site in sites_of(likelihood, has_silent)
    }


class Prior(Explained, eqx.Module):
    r"""Priors of the hypocentre and of the other parameters of the likelihoods.

    Attributes
    ----------
    region_km
        Half-width of the box about the centre of the triggers in which the epicentre is
        uniform, km.
    depth
        Depth, km; a NumPyro distribution on positive numbers. The default is 500 km times
        Kumaraswamy(1, 12), which is Beta(1, 12): falling from the surface, mean 38 km, one in
        six below 70 km, as of crustal and subduction earthquakes together.
    lead_s
        The mean arrival is uniform from this long before the window to this long after it, s.
    sd_s
        Scatter of the Gaussian likelihood, s; median 1.29 s, the 2023 paper's value.
    delay_s, scatter_s
        Delay of phones after the phase, and its scatter, s.
    shares
        Shares of P, S and background among the triggers; a distribution on the simplex.
    trigger_probability
        Probability that an active device triggers eventually.
    slowness_ratio
        Travel times over those of the velocity model, for P and for S each (mixture only);
        log-normal with a standard deviation of 4 %, as crusts differ.
    slowness_lateral
        Relative excess of travel times towards the east, and the north (mixture only); normal
        with a standard deviation of 2 %.
    epicentre
        A density of past seismicity on top of the uniform box, or None.

    Examples
    --------
    >>> prior = Prior(region_km=200.0, depth=dist.Uniform(0.0, 60.0))
    >>> float(prior.deepest_km)
    60.0
    """

    region_km: float | Float[Array, ""] = 500.0
    lead_s: float | Float[Array, ""] = 60.0
    depth: dist.Distribution = eqx.field(
        default_factory=lambda: dist.TransformedDistribution(
            dist.Kumaraswamy(1.0, 12.0), AffineTransform(0.0, MAX_DEPTH_KM, domain=unit_interval)
        )
    )
    sd_s: dist.Distribution = eqx.field(default_factory=lambda: dist.LogNormal(np.log(1.29), 0.3))
    delay_s: dist.Distribution = eqx.field(
        default_factory=lambda: dist.TruncatedNormal(2.0, 1.0, low=0.0)
    )
    scatter_s: dist.Distribution = eqx.field(
        default_factory=lambda: dist.LogNormal(np.log(0.8), 0.5)
    )
    shares: dist.Distribution = eqx.field(
        default_factory=lambda: dist.Dirichlet(np.array([2.0, 2.0, 1.0]))
    )
    trigger_probability: dist.Distribution = eqx.field(default_factory=lambda: dist.Beta(2.0, 2.0))
    slowness_ratio: dist.Distribution = eqx.field(default_factory=lambda: dist.LogNormal(0.0, 0.04))
    slowness_lateral: dist.Distribution = eqx.field(default_factory=lambda: dist.Normal(0.0, 0.02))
    epicentre: EpicentreDensity | None = None

    def __check_init__(self) -> None:
        check_range("Prior", 0, 5000, ends="(]", region_km=self.region_km)
        check_range("Prior", 0, ends="()", lead_s=self.lead_s)
        named = (each.name for each in dataclasses.fields(self) if each.type == "dist.Distribution")
        given = {name: getattr(self, name) for name in named}
        check_kind("Prior", dist.Distribution, "give one, as dist.Uniform(0.0, 60.0)", **given)

    def with_seismicity(self, density: xr.DataArray, frame: LocalFrame) -> Prior:
        """Return this prior with an epicentre density from a grid of past seismicity.

        Parameters
        ----------
        density
            Non-negative rates or counts per unit area on dims `latitude` and `longitude`.
        frame
            The local frame of the observations.

        Raises
        ------
        eqstat.InputError
            When dims are missing, or a value is negative, not finite, or zero everywhere in
            the region.

        Examples
        --------
        >>> degrees = np.linspace(-1.0, 1.0, 21)
        >>> bump = np.exp(-degrees[:, None] ** 2 - degrees**2)
        >>> density = xr.DataArray(bump, {"latitude": degrees, "longitude": degrees})
        >>> prior = Prior(region_km=80.0).with_seismicity(density, LocalFrame(0.0, 0.0))
        >>> prior.epicentre.log_density.shape
        (201, 201)
        """
        table = local_density(density, frame, float(self.region_km))
        return eqx.tree_at(lambda p: p.epicentre, self, table, is_leaf=lambda node: node is None)

    @property
    def deepest_km(self) -> Float[Array, ""] | float | None:
        """Upper bound of the depth prior's support; None where it has none."""
        return getattr(self.depth.support, "upper_bound", None)

    @property
    def shallowest_km(self) -> Float[Array, ""] | float:
        """Lower bound of the depth prior's support, not above the surface."""
        bound = getattr(self.depth.support, "lower_bound", 0.0)
        return jnp.maximum(bound, 0.0)

    def log_epicentre(self, east_km: Array | np.ndarray, north_km: Array | np.ndarray) -> Array:
        """Log prior density of the epicentre inside the region, per km^2.

        Examples
        --------
        >>> round(float(Prior(region_km=50.0).log_epicentre(np.array(3.0), np.array(4.0))), 4)
        -9.2103
        """
        uniform = -2 * jnp.log(2 * jnp.asarray(self.region_km))
        if self.epicentre is None:
            return uniform + 0 * east_km
        return self.epicentre(east_km, north_km)


def _identified(likelihood: LikelihoodName, has_silent: bool) -> tuple[Site, ...]:
    return tuple(site for site in sites_of(likelihood, has_silent) if site.identified)


def to_coordinates(values: Mapping[str, Array], likelihood: LikelihoodName, prior: Prior) -> Array:
    """Identified sites other than the hypocentre as one unconstrained vector."""
    parts = [
        jnp.atleast_1d(biject_to(getattr(prior, site.prior).support).inv(values[site.name]))
        for site in _identified(likelihood, "trigger_probability" in values)
    ]
    return jnp.concatenate(parts)


def from_coordinates(
    row: Array, likelihood: LikelihoodName, has_silent: bool, prior: Prior
) -> tuple[dict[str, Array], Array]:
    """Sites of a vector of `to_coordinates`, and the log prior density of the vector."""
    values: dict[str, Array] = {}
    log_prior, start = jnp.zeros((), row.dtype), 0
    for site in _identified(likelihood, has_silent):
        distribution = getattr(prior, site.prior)
        transform = biject_to(distribution.support)
        size = max(len(site.labels) - 1, 1)
        free = row[start] if len(site.labels) == 1 else row[start : start + size]
        value = transform(free)
        values[site.name] = value
        jacobian = transform.log_abs_det_jacobian(free, value)
        log_prior = log_prior + distribution.log_prob(value) + jacobian
        start += size
    return values, log_prior
