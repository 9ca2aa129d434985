"""The ground-motion model as one normal distribution of all records: slow and independent.

Mean and covariance are written term by term from the definition of the model, with distances
between stations by the haversine formula.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats


def plain(motion):
    return {f.name: np.asarray(getattr(motion, f.name), float) for f in dataclasses.fields(motion)}


def correlation(p, table, decay):
    """Correlation of record terms from coordinates and decades of distance, whatever the events."""
    if "latitude" not in table:
        return np.zeros((len(table), len(table)))
    lat, lon = (np.radians(table[name].to_numpy()) for name in ("latitude", "longitude"))
    half = np.sin((lat[:, None] - lat) / 2) ** 2
    half = half + np.cos(lat)[:, None] * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    km = 2 * 6371.0 * np.sqrt(half)
    both = np.isfinite(km)
    own = p["correlation_km"] * 10 ** (p["correlation_growth"] * decay)
    square = (own[:, None] ** 2 + own**2) / 2
    shape = (own[:, None] * own / square) ** 1.5 * np.exp(-3 * km / np.sqrt(square))
    return p["correlated_share"] * np.where(both, shape, 0.0)


def by_hand(motion, motions, magnitude_sd=0.0, stations=True):
    """Mean and covariance of all records, term by term, and the factors of the effects."""
    p, t = plain(motion), motions.table
    m, r = t["magnitude"].to_numpy(), t["distance_km"].to_numpy()
    vs30 = t["vs30_m_s"].to_numpy() if "vs30_m_s" in t else np.full(len(t), np.nan)
    site = np.where(np.isnan(vs30), p["vs30_log10_mean"], np.log10(vs30))
    h = p["saturation_km"] * 10 ** (p["saturation_slope"] * (m - 5))
    logs = np.log10(np.hypot(r, h) / 10)
    mean = p["level"] + p["magnitude_slope"] * (m - 5) + p["magnitude_bend"] * (m - 5) ** 2
    mean -= (p["spreading"] + p["spreading_slope"] * (m - 5)) * logs
    mean -= p["anelastic_per_100_km"] * r / 100
    mean += p["depth_slope"] * (t["depth_km"].to_numpy() - 8) / 10
    mean += p["vs30_slope"] * (site - np.log10(760))
    if stations:
        decades = np.log10(t["distance_km"])
        own = decades.groupby(t["station"]).transform("mean") - decades.mean()
        mean += p["station_distance_slope"] * own.to_numpy()
    if "region" in t and len(motions.regions) > 1:
        mean += p["region_level"][[motions.regions.index(name) for name in t["region"]]]
    one = (t["event"].to_numpy()[:, None] == np.array(motions.events)).astype(float)
    slope = p["magnitude_slope"] + 2 * p["magnitude_bend"] * (m - 5) - p["spreading_slope"] * logs
    slope = (one.T @ slope) / one.sum(axis=0)
    events = one * np.sqrt(p["event_sd"] ** 2 + (slope * magnitude_sd) ** 2)
    hidden = (p["vs30_slope"] * p["vs30_log10_sd"]) ** 2 * np.isnan(vs30)
    own = p["record_sd"] * 10 ** (p["record_sd_slope"] * (m - 5))
    same = one @ one.T
    mean_km = 10 ** np.mean(np.log10(r))
    beyond = np.log10(np.hypot(r, h) / np.hypot(mean_km, h))
    decay = -one * beyond[:, None]
    field = correlation(p, t, beyond)
    np.fill_diagonal(field, 1.0)
    cov = same * field * np.outer(own, own) + events @ events.T
    cov += p["spreading_sd"] ** 2 * decay @ decay.T
    two = None
    if stations:
        two = (t["station"].to_numpy()[:, None] == np.array(motions.stations)).astype(float)
        cov += two @ two.T * (p["station_sd"] ** 2 + hidden[:, None])
    else:
        cov += np.diag(hidden)
    return mean, cov, (events, decay), two


def population(motion, motions):
    p, known = plain(motion), motions.data.population_weight > 0
    return np.sum(
        stats.norm.logpdf(
            np.asarray(motions.data.population)[known], p["vs30_log10_mean"], p["vs30_log10_sd"]
        )
    )


def ours(function, motion, data):
    motion = eqx.tree_at(lambda m: m.station_distance_km, motion, data.station_distance_km)
    with jax.enable_x64(True):
        arrays = jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf, float)), motion)
        return jax.tree.map(np.asarray, jax.jit(function)(arrays, jax.tree.map(jnp.asarray, data)))
