"""Simulation-based calibration of the mixture likelihood, by grid and by NUTS.

Run: python validation/check_mixture_sbc.py [--datasets 300] [--method grid|nuts] [--silent]
[--out FILE.jsonl].

Parameters are drawn from the prior of `traveltime.model`, triggers from `traveltime.simulate`.
If the posterior is calibrated, the rank of each true parameter among draws of the posterior is
uniform, and credible regions of the epicentre have their nominal coverage. With --out each data
set is one line of the file, and a later run continues where the last one stopped; a file belongs
to one method and kind of data.

Without --silent, 30 devices trigger and the prior is exactly that of the model. With --silent, 65
devices of which 17 to 32 trigger are seen while the wave may still be arriving. There the model's
prior is centred on the devices that triggered, that is, on the data. So parameters are drawn from
a prior centred on all devices, the model is given a wider uniform prior, and its draws outside of
the first prior's support are dropped: what remains are draws of the posterior under that prior,
since both densities are constant there. Data sets with another number of triggers are drawn again,
which no posterior depends on.

References
----------
Talts, S. et al. (2018), arXiv:1804.06788.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpyro import handlers
from records import Record, each, record, show

from eqstat import traveltime
from eqstat.calibration import coverage, rank_uniformity
from eqstat.geodesy import LocalFrame
from eqstat.inference import InferenceError
from eqstat.traveltime import Design, MixtureParameters, Observations, Prior

SEED = 20261128
KEPT, BINS = 63, 16
CENTRE, RADIUS_KM = (-12.0, -77.0), 40.0
REGION_KM, WIDER_KM = 60.0, 75.0
PLAIN = {"devices": 30, "window_s": (0.0, 60.0), "lead_s": 5.0}
SILENT = {"devices": 65, "window_s": (-40.0, 0.0), "lead_s": 1.0}
SEEN = 17, 32
WIDER_LEAD_S = 21.0
SHARES = ("p_share", "s_share", "background_share")


@dataclass(frozen=True)
class DataSet:
    """One data set with its true parameters and how draws are restricted to their prior."""

    observations: Observations
    prior: Prior
    truth: dict[str, float]
    whole: Observations
    limits: tuple[float, float]


def network(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes of devices scattered evenly in a disc."""
    radius, angle = RADIUS_KM * np.sqrt(rng.uniform(size=count)), rng.uniform(0, 2 * np.pi, count)
    return LocalFrame(*CENTRE).to_geographic(radius * np.sin(angle), radius * np.cos(angle))


def in_place(devices: pd.DataFrame, zero: pd.Timestamp) -> Observations:
    """Observations of all devices about the time zero, for their places only."""
    apart = np.arange(len(devices)) - (len(devices) - 1) // 2
    return traveltime.prepare(devices.assign(time=zero + pd.to_timedelta(apart, unit="ms")))


def with_window(observations: Observations, design: Design) -> Observations:
    """Observations with the window of the design, not one that follows from the triggers."""
    zero = (pd.Timestamp(design.reference_time) - observations.reference_time).total_seconds()
    window = np.array(design.window_s) + zero
    return replace(observations, data=eqx.tree_at(lambda d: d.window_s, observations.data, window))


def from_prior(
    key: Any, observations: Observations, prior: Prior, silent: bool, likelihood: str = "mixture"
) -> dict[str, Any]:
    """One draw of all sites of the model; times are in seconds after the reference time."""
    with jax.enable_x64(True):
        arguments = jax.tree.map(jnp.asarray, (observations.data, prior))
        seeded = handlers.seed(traveltime.model, key)
        trace = handlers.trace(seeded).get_trace(*arguments, likelihood=likelihood)
        sites = {
            name: np.asarray(site["value"], np.float64)
            for name, site in trace.items()
            if site["type"] in ("sample", "deterministic") and not site.get("is_observed")
        }
        if silent:
            chance = prior.trigger_probability.sample(jax.random.fold_in(key, 1))
            sites["trigger_probability"] = np.asarray(chance, np.float64)
    return {name: value for name, value in sites.items() if value.size}


def parameters(sites: dict[str, Any]) -> MixtureParameters:
    """Parameters of the likelihood from sites of the model."""
    shares = sites["shares"]
    names = {"p_share": shares[0], "s_share": shares[1]}
    fields = MixtureParameters.__dataclass_fields__
    values = {name: sites[name] for name in fields if name in sites} | names
    return MixtureParameters(**{name: float(value) for name, value in values.items()})


def simulated(number: int, silent: bool) -> DataSet:
    """Draw a network, parameters and triggers."""
    options: dict[str, Any] = SILENT if silent else PLAIN
    base = jax.random.fold_in(jax.random.key(SEED + silent), number)
    for attempt in range(1000):
        key = jax.random.fold_in(base, attempt)
        rng = np.random.default_rng([SEED, silent, number, attempt])
        latitude, longitude = network(rng, options["devices"])
        design = Design(latitude, longitude, window_s=options["window_s"])
        devices = pd.DataFrame(
            {
                "latitude": latitude,
                "longitude": longitude,
                "device": [f"d{i}" for i in range(len(latitude))],
                "elevation_m": 0.0,
            }
        )
        zero = pd.Timestamp(design.reference_time)
        whole = with_window(in_place(devices, zero), design)
        prior = Prior(region_km=REGION_KM, lead_s=options["lead_s"])
        sites = from_prior(jax.random.fold_in(key, 0), whole, prior, silent)
        truth = {k: float(v) for k, v in sites.items() if k != "shares"}
        truth |= dict(zip(SHARES, map(float, sites["shares"]), strict=True))
        params = parameters(sites)
        table = traveltime.simulate(jax.random.fold_in(key, 1), params, design, silent=silent)
        if not silent:
            observations = with_window(traveltime.prepare(table), design)
            model_prior = prior
        else:
            if not SEEN[0] <= len(table) <= SEEN[1]:
                continue
            seen: Any = traveltime.prepare(table, network=devices, now=zero)
            observations = with_window(seen, design)
            offset = observations.frame.to_local(*CENTRE)
            if np.hypot(*offset) > WIDER_KM - REGION_KM:
                continue
            model_prior = Prior(region_km=WIDER_KM, lead_s=WIDER_LEAD_S)
        seconds = (zero - observations.reference_time).total_seconds()
        truth["origin_time_s"] += seconds
        place = whole.frame.to_geographic(truth["east_km"], truth["north_km"])
        east, north = observations.frame.to_local(*place)
        truth |= {"east_km": float(east), "north_km": float(north)}
        low, high = (value + seconds for value in options["window_s"])
        limits = low - options["lead_s"], high + options["lead_s"]
        return DataSet(observations, model_prior, truth, whole, limits)
    raise RuntimeError(f"data set {number}: no draw with {SEEN} triggers")


@jax.jit
def _mean_travel(data: Any, places: Any) -> Any:
    def one(place: Any) -> Any:
        params = MixtureParameters(*place, 0.0)
        return jnp.stack([t.sum() for t in _masked(params, data)]) / data.mask.sum()

    return jax.vmap(one)(places)


def _masked(params: MixtureParameters, data: Any) -> list[Any]:
    return [jnp.where(data.mask, t, 0.0) for t in traveltime.arrival_times(params, data)]


def in_support(case: DataSet, draws: dict[str, np.ndarray]) -> np.ndarray:
    """Which draws lie in the support of the prior that the truth was drawn from."""
    place = case.observations.frame.to_geographic(draws["east_km"], draws["north_km"])
    east, north = case.whole.frame.to_local(*place)
    inside = (np.abs(east) <= REGION_KM) & (np.abs(north) <= REGION_KM)
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, case.whole.data)
        places = np.stack([east, north, draws["depth_km"]], axis=1)
        travel = np.asarray(_mean_travel(data, places))[:, 0]
    arrival = draws["origin_time_s"] + draws["delay_s"] + draws["p_slowness_ratio"] * travel
    return inside & (arrival >= case.limits[0]) & (arrival <= case.limits[1])


def posterior_draws(
    number: int, case: DataSet, method: str, silent: bool, chains: int
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Draws of the posterior, one axis of draws, and how sampling went."""
    options: Any = {"likelihood": "mixture", "prior": case.prior}
    key = jax.random.fold_in(jax.random.key(SEED + 10), number)
    if method == "grid":
        posterior = traveltime.grid(case.observations, key=jax.random.key(0), **options)
        draws = dict(posterior.draws(key, 4000))
        report: dict[str, Any] = {"result": posterior.result.name}
        if not silent:
            report["cells"] = content_of_cells(posterior, case.truth)
    else:
        tree = traveltime.sample(
            key, case.observations, **options, chains=chains, warmup=250, draws=500, progress=False
        )
        dataset = tree["posterior"].to_dataset()
        draws = {
            str(name): values.to_numpy().reshape(-1, *values.shape[2:])
            for name, values in dataset.data_vars.items()
        }
        names = ("result", "r_hat_max", "ess_bulk_min", "divergences")
        report = {name: tree.attrs[name] for name in names}
    for position, name in enumerate(SHARES):
        draws[name] = draws["shares"][:, position]
    draws.pop("shares")
    if silent:
        inside = in_support(case, draws)
        draws = {name: values[inside] for name, values in draws.items()}
        report["in_support"] = float(np.mean(inside))
    return draws, report


def content_of_cells(posterior: Any, truth: dict[str, float]) -> float:
    """Probability of the smallest highest-density region of the cells that holds the truth."""
    mass = posterior.mass.sum(axis=2)
    edges = posterior.edges("east_km"), posterior.edges("north_km")
    density = mass / np.outer(*(np.diff(edge) for edge in edges))
    place = truth["east_km"], truth["north_km"]
    at = [int(np.searchsorted(e, v)) - 1 for e, v in zip(edges, place, strict=True)]
    if not all(0 <= index < size for index, size in zip(at, mass.shape, strict=True)):
        return 1.0
    return float(mass[density > density[at[0], at[1]]].sum() + 0.5 * mass[at[0], at[1]])


def content_of_ellipse(draws: dict[str, np.ndarray], truth: dict[str, float]) -> float:
    """Share of the draws that lie in the ellipse about their mean through the true epicentre."""
    places = np.stack([draws["east_km"], draws["north_km"]], axis=1)
    centred = places - places.mean(0)
    precision = np.linalg.inv(np.cov(centred, rowvar=False))
    at = np.array([truth["east_km"], truth["north_km"]]) - places.mean(0)
    squares = np.einsum("ni,ij,nj->n", centred, precision, centred)
    return float(np.mean(squares <= at @ precision @ at))


def one(number: int, method: str, silent: bool, chains: int) -> dict[str, Any]:
    """Ranks and region contents of one data set."""
    start = time.perf_counter(), time.process_time()
    case = simulated(number, silent)
    draws, line = posterior_draws(number, case, method, silent, chains)
    count = len(draws["east_km"])
    if count < 4 * KEPT:
        raise ValueError(f"{count} draws in the prior's support")
    rng = np.random.default_rng([SEED, 2, number])
    # Evenly spaced rows of a chain, shifted at random: neighbours hardly correlate.
    rows = (np.arange(KEPT) * count // KEPT + rng.integers(count)) % count
    ranks = {
        name: int(np.sum(draws[name][rows] < value))
        for name, value in case.truth.items()
        if name != "arrival_s"
    }
    return line | {
        "ranks": ranks,
        "ellipse": content_of_ellipse(draws, case.truth),
        "seconds": time.perf_counter() - start[0],
        "processor_s": time.process_time() - start[1],
    }


def check(
    datasets: int = 300,
    method: str = "grid",
    silent: bool = False,
    chains: int = 4,
    first: int = 0,
    out: Path | None = None,
) -> list[Record]:
    """Calibrate on `datasets` data sets from number `first` on by one method."""

    def line(number: int) -> dict[str, Any]:
        try:
            return one(number, method, silent, chains)
        except (InferenceError, ValueError) as error:
            return {"failed": str(error)}

    lines = each(range(first, first + datasets), line, out)
    good = [line for line in lines if "ranks" in line]
    records = [record("fits that failed", datasets - len(good), bounds=(None, 0))]
    if not good:
        return show(records)
    p_values = {}
    for name in good[0]["ranks"]:
        ranks = np.array([line["ranks"][name] for line in good])
        test = rank_uniformity(ranks, KEPT, bins=BINS)
        p_values[name] = test.ecdf_p_value
        centre = (ranks.mean() + 0.5) / (KEPT + 1)
        print(f"  {name:18s} p {test.ecdf_p_value:.3f}, mean rank {centre:.3f}")
    records.append(
        record(
            f"smallest p of uniform ranks, {len(p_values)} parameters",
            min(p_values.values()),
            bounds=(0.05 / len(p_values), None),
            data_sets=len(good),
        )
    )
    for kind in ("ellipse", "cells"):
        contents = np.array([line[kind] for line in good if kind in line])
        for nominal in (0.5, 0.9) if len(contents) else ():
            covered = coverage(contents <= nominal, nominal)
            records.append(
                record(
                    f"coverage of {nominal:.0%} regions ({kind})",
                    covered.rate,
                    interval=(covered.low, covered.high),
                    target=nominal,
                    unit="%",
                    data_sets=len(good),
                )
            )
    mixed = np.mean([line["result"] == "POORLY_MIXED" for line in good])
    records.append(record("poorly mixed", mixed, unit="%", data_sets=len(good)))
    cost = np.median([line["processor_s"] for line in good])
    records.append(record("median processor time", cost, unit="s", data_sets=len(good)))
    return show(records)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--datasets", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first data set")
    parser.add_argument("--method", choices=["grid", "nuts"], default="grid")
    parser.add_argument("--silent", action="store_true", help="with silent devices")
    parser.add_argument("--chains", type=int, default=4)
    parser.add_argument("--out", type=Path, help="file of results; a later run continues it")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
