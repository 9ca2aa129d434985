"""Learning within an event: its term is updated as stations and phones report their peaks."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jaxtyping import Array, ArrayLike, Float

from eqstat._core.checks import check_range
from eqstat._core.constants import HALF_LOG_2PI
from eqstat._core.errors import InputError
from eqstat._core.normal import log_ndtr
from eqstat.ground_motion._event import SITE_COLUMNS, EventPosterior, moments
from eqstat.ground_motion._parameters import DISTANCE_KM, MAGNITUDE, magnitude_slope_at
from eqstat.ground_motion._predict import MotionPosterior
from eqstat.inference import bucket_size
from eqstat.schema import Column, Contract, check

# Nodes of the integral over the event term where reports are clipped, and how far they reach.
NODES, REACH = 129, 8.0

REPORTS = Contract(
    "reports",
    (
        *SITE_COLUMNS,
        Column(
            "pga_m_s2",
            "number",
            True,
            "m/s2",
            maximum=100.0,
            positive=True,
            hint="no ground shook more: multiply %g by 0.0980665, divide Gal by 100; "
            "leave out what was not measured",
        ),
        Column("device_bias", "number", hint="log10 units"),
        Column("device_sd", "number", minimum=0.0, hint="log10 units"),
    ),
)


class Device(eqx.Module):
    """How the peak that a device reports differs from the ground's.

    Attributes
    ----------
    bias
        What it adds to log10 PGA, such as of a phone on a table; log10 units.
    sd
        Scatter of single devices about that, at least 0; log10 units.
    clip_m_s2
        Largest peak that it can report; a report of this or more says that there was no less.
        Phones clip at 2 g or 4 g; seismometers' default is never.
    """

    bias: float | int = 0.0
    sd: float | int = 0.0
    clip_m_s2: float | int = np.inf

    def __check_init__(self) -> None:
        """Refuse numbers that no device has."""
        check_range("Device", bias=self.bias)
        check_range("Device", 0, sd=self.sd)
        check_range("Device", 0, ends="(]", finite=False, clip_m_s2=self.clip_m_s2)


def update_event_term(
    mean: ArrayLike,
    sd: ArrayLike,
    residual: Float[Array, "... reports"],
    scatter: Float[Array, "... reports"],
    used: Float[Array, "... reports"],
) -> tuple[Array, Array, Array]:
    r"""Update an event term by reports, in closed form; pure JAX, fixed shapes with a mask.

    $$ \frac1{v'} = \frac1v + \sum_i \frac1{s_i^2}, \qquad
    m' = v' \Big( \frac m v + \sum_i \frac{r_i}{s_i^2} \Big) $$

    Parameters
    ----------
    mean, sd
        The term before, $m$ and $\sqrt v$, log10 units, (...).
    residual
        Reports less what they are without the event term, $r_i$.
    scatter
        Their sd given the event term, $s_i$, above 0.
    used
        1 for a report, 0 for padding.

    Returns
    -------
    mean, sd : jax.Array
        The term after.
    log_evidence : jax.Array
        Log density of the reports together.
    """
    mean, variance = jnp.asarray(mean), jnp.asarray(sd) ** 2
    precision = used / scatter**2
    apart = residual - mean[..., None]
    total = jnp.sum(precision, axis=-1)
    pull = jnp.sum(precision * apart, axis=-1)
    after = variance / (1 + variance * total)
    logs = jnp.sum(used * (jnp.log(scatter) + HALF_LOG_2PI), axis=-1)
    evidence = -0.5 * (jnp.sum(precision * apart**2, axis=-1) - after * pull**2)
    evidence = evidence - logs - 0.5 * jnp.log1p(variance * total)
    return mean + after * pull, jnp.sqrt(after), evidence


def update_by_clipped(
    mean: Array, sd: Array, least: Float[Array, "... reports"], scatter: Array, used: Array
) -> tuple[Array, Array, Array]:
    r"""Update an event term by reports that say "no less than this".

    The density is $\mathcal N(\eta; m, v) \prod_i \Phi((\eta - l_i) / s_i)$. Its first two moments
    are taken by quadrature, exact to many digits, and the term is normal with them from there on.

    Parameters
    ----------
    mean, sd
        The term before, (...).
    least
        Clipping level less what the report is without the event term, $l_i$.
    scatter, used
        As in `update_event_term`.

    Returns
    -------
    mean, sd : jax.Array
        The term after.
    log_evidence : jax.Array
        Log probability of the reports together.
    """
    z = jnp.linspace(-REACH, REACH, NODES, dtype=mean.dtype)
    # Many clipped reports pull far; the nodes go where the density is, by Newton steps.
    centre, width = mean, sd
    for _ in range(8):
        # Slope h and bend -h (z + h) of log Phi at z; the joint density is log-concave.
        at = (centre[..., None] - least) / scatter
        ratio = jnp.exp(-0.5 * at * at - HALF_LOG_2PI - log_ndtr(at))
        slope = (mean - centre) / sd**2 + jnp.sum(used * ratio / scatter, axis=-1)
        bend = -1 / sd**2 - jnp.sum(used * ratio * (at + ratio) / scatter**2, axis=-1)
        centre, width = centre - slope / bend, 1 / jnp.sqrt(-bend)
    nodes = centre[..., None] + width[..., None] * z
    inside = log_ndtr((nodes[..., None] - least[..., None, :]) / scatter[..., None, :])
    logs = -0.5 * ((nodes - mean[..., None]) / sd[..., None]) ** 2
    logs = logs + jnp.sum(used[..., None, :] * inside, axis=-1)
    weight = jax.nn.softmax(logs, axis=-1)
    after = jnp.sum(weight * nodes, axis=-1)
    variance = jnp.sum(weight * (nodes - after[..., None]) ** 2, axis=-1)
    step = width * (z[1] - z[0]) / sd
    evidence = jax.scipy.special.logsumexp(logs, axis=-1) + jnp.log(step) - HALF_LOG_2PI
    return after, jnp.sqrt(variance), evidence


_plain, _clipped = jax.jit(update_event_term), jax.jit(update_by_clipped)


def _padded(rest: np.ndarray, scatter: np.ndarray, used: np.ndarray) -> tuple[Array, ...]:
    """Reports in a bucket of sizes, with what says which of them count, (draws, reports) each."""
    spare = bucket_size(len(used)) - len(used)
    wide = ((0, 0), (0, spare))
    mask = np.broadcast_to(np.pad(used.astype(float), (0, spare)), (len(rest), len(used) + spare))
    parts = (np.pad(rest, wide), np.pad(scatter, wide, constant_values=1.0), mask)
    return tuple(jnp.asarray(part) for part in parts)


def condition(
    posterior: MotionPosterior,
    reports: pd.DataFrame,
    *,
    device: Device | None = None,
    region: str | None = None,
    magnitude_sd: float | int = 0.0,
) -> EventPosterior:
    r"""Update one event's term by the peaks reported so far.

    Given the parameters, reports of an event are normal about its term, so the update is in closed
    form for each draw; draws are weighted by the reports' density under them. A report at or above
    its device's clipping level counts as "no less than that".

    Parameters
    ----------
    posterior
        From `MotionFit.posterior` or `posterior_from`.
    reports
        Rows of one event: `magnitude`, `distance_km`, `depth_km`, `pga_m_s2`; perhaps `vs30_m_s`,
        `station` (a known one is taken with its term). May have no rows.
    device
        What reports; a seismometer by default. A table of mixed devices may hold `device_bias`,
        `device_sd` and `clip_m_s2` in columns instead; where these are empty the device's count.
    region
        As in `MotionPosterior.predictor`.
    magnitude_sd
        Of the event's magnitude, at least 0; adds to the event term's sd before the reports, by
        the slope that PGA has with magnitude at theirs (magnitude 5 at 10 km before there are any).

    Returns
    -------
    EventPosterior
        Its `predictor()` predicts unreported sites, `predict(table)` those of a table.

    Raises
    ------
    InputError
        When columns lack, values are not usable, or the rows are of several events.
    """
    check_range("condition", 0, magnitude_sd=magnitude_sd)
    motion, mean, sd, even = posterior.before(region)
    if magnitude_sd:
        at: list[Any] = [np.array([MAGNITUDE]), np.array([DISTANCE_KM])]
        if len(reports):
            checked = check(reports, REPORTS)
            at = [checked[name].to_numpy() for name in ("magnitude", "distance_km")]
        with jax.enable_x64(True):
            columns = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:, None], motion)
            steep = np.asarray(magnitude_slope_at(columns, *at)).mean(axis=1)
        sd = np.hypot(sd, steep * magnitude_sd)
    return update(EventPosterior(posterior, motion, mean, sd, even, 0), reports, device=device)


def update(
    event: EventPosterior, reports: pd.DataFrame, *, device: Device | None = None
) -> EventPosterior:
    """Update what is known of an event by more reports, of stations that did not report before.

    Parameters
    ----------
    event
        From `condition`.
    reports, device
        As in `condition`.

    Returns
    -------
    EventPosterior

    Raises
    ------
    InputError
        As in `condition`.
    """
    device = Device() if device is None else device
    if not len(reports):
        return event
    table: Any = check(reports, REPORTS)
    for name in ("event", "magnitude", "depth_km"):
        if name in table.columns and table[name].nunique() > 1:
            raise InputError(
                f"reports: {table[name].nunique()} different values of {name!r}; condition on the "
                "reports of one event at a time"
            )
    pga = table["pga_m_s2"].to_numpy(np.float64)

    def of_device(name: str, value: float) -> np.ndarray:
        if name in table.columns:
            return table[name].fillna(value).to_numpy(np.float64)
        return np.full(len(table), float(value))

    clip = of_device("clip_m_s2", device.clip_m_s2)
    if not np.all(clip > 0):
        raise InputError("reports: column 'clip_m_s2': must be above 0; infinite for never")
    mean, variance = moments(event.posterior, event.motion, table)
    mean = mean + of_device("device_bias", device.bias)[:, None]
    scatter = np.sqrt(variance + of_device("device_sd", device.sd)[:, None] ** 2).T
    clipped = pga >= clip
    seen = np.log10(np.where(clipped, clip, pga))
    rest = (seen[:, None] - mean).T
    with jax.enable_x64(True):
        state: Any = (event.event_mean, event.event_sd)
        state = _plain(*state, *_padded(rest, scatter, ~clipped))
        after_mean, after_sd, evidence = state
        if clipped.any():
            given = _padded(rest, scatter, clipped)
            after_mean, after_sd, more = _clipped(after_mean, after_sd, *given)
            evidence = evidence + more
        weight = event.log_weight + np.asarray(evidence)
    return EventPosterior(
        event.posterior,
        event.motion,
        np.asarray(after_mean),
        np.asarray(after_sd),
        weight - np.logaddexp.reduce(weight),
        event.reports + len(table),
    )
