"""Are the probabilities of `traveltime.comparison.compare` calibrated?

Run: python validation/check_comparison.py [--datasets 400] [--world own|study] [--out FILE.jsonl].

Half of the detections are earthquakes. In the model's own world one of the three earthquake models
or one of the two false detections is drawn, with parameters from its prior; 12 devices within
40 km trigger, few enough for probabilities between 0 and 1. Detections with a trigger beyond the
span of the background are drawn again, model and all, which no posterior depends on. In the world
of the 2023 study earthquakes trigger 70 % of 14 phones in Lima by P, with random triggers of
others, and false detections are 30 % of 33 phones at uniform times; there the window follows from
the triggers, as in use.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pandas as pd
from check_mixture_sbc import from_prior, in_place, network, parameters, with_window
from records import Record, each, record, show

from eqstat import traveltime
from eqstat.calibration import calibration_test
from eqstat.simulation import simulate, study2023
from eqstat.traveltime import Design, GaussianParameters, Observations, Prior

SEED = 20261129
DEVICES, WINDOW_S = 12, (0.0, 30.0)
# The comparison takes the lead to the window.
LEAD_S, SPAN_S = 5.0, (-5.0, 35.0)
PRIOR = Prior(region_km=60.0, lead_s=LEAD_S)
EARTHQUAKES = ("gaussian P", "gaussian S", "mixture")


def own_world(number: int) -> tuple[Observations, bool, str]:
    """A detection drawn from one of the five models, with all triggers in the span."""
    for attempt in range(1000):
        drawn = detection(number, attempt)
        if drawn is not None:
            return drawn
    raise RuntimeError(f"detection {number}: none with all triggers in the span")


def detection(number: int, attempt: int) -> tuple[Observations, bool, str] | None:
    """A detection drawn from one of the five models; None where a trigger is beyond the span."""
    rng = np.random.default_rng([SEED, number, attempt])
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(SEED), number), attempt)
    latitude, longitude = network(rng, DEVICES)
    design = Design(latitude, longitude, window_s=SPAN_S)
    zero = pd.Timestamp(design.reference_time)
    places = pd.DataFrame({"latitude": latitude, "longitude": longitude})
    whole = with_window(in_place(places, zero), design)
    inner = Prior(region_km=60.0, lead_s=1e-3)
    is_earthquake = bool(rng.uniform() < 0.5)
    kind = str(rng.choice(EARTHQUAKES if is_earthquake else ("background", "simultaneous")))
    length = SPAN_S[1] - SPAN_S[0]
    if is_earthquake:
        wave: Any = kind[-1] if kind != "mixture" else "P"
        likelihood = "mixture" if kind == "mixture" else "gaussian"
        sites = from_prior(key, whole.with_wave(wave), inner, silent=False, likelihood=likelihood)
        if kind == "mixture":
            table = traveltime.simulate(jax.random.fold_in(key, 1), parameters(sites), design)
            seconds = (pd.to_datetime(table["time"], utc=True) - zero).dt.total_seconds()
            latitude, longitude = table["latitude"].to_numpy(), table["longitude"].to_numpy()
        else:
            fields = GaussianParameters.__dataclass_fields__
            params = GaussianParameters(**{k: float(v) for k, v in sites.items() if k in fields})
            p, s = traveltime.arrival_times(params, whole.data)
            arrival = np.asarray(s if wave == "S" else p)[: len(latitude)]
            seconds = arrival + float(sites["sd_s"]) * rng.standard_normal(len(latitude))
    else:
        seconds = rng.uniform(*SPAN_S, len(latitude))
        if kind == "background":
            interval = np.exp(rng.uniform(0.0, np.log(length)))
            seconds = rng.uniform(*SPAN_S) + interval * rng.uniform(size=DEVICES)
        else:
            common, share = rng.uniform(*SPAN_S), rng.uniform()
            scatter = 0.5 * np.exp(rng.standard_normal())
            late = common + scatter * rng.standard_normal(len(latitude))
            seconds = np.where(rng.uniform(size=len(latitude)) < share, late, seconds)
    if np.min(seconds) < SPAN_S[0] or np.max(seconds) > SPAN_S[1]:
        return None
    times = zero + pd.to_timedelta(np.asarray(seconds, float), unit="s")
    table = pd.DataFrame({"latitude": latitude, "longitude": longitude, "time": times})
    observed = Design(latitude, longitude, window_s=WINDOW_S)
    return with_window(traveltime.prepare(table), observed), is_earthquake, kind


def study_world(number: int) -> tuple[Observations, bool, str]:
    """A detection of the study of 2023, with few phones."""
    key = jax.random.fold_in(jax.random.key(SEED + 1), number)
    is_earthquake = bool(np.random.default_rng([SEED, 1, number]).uniform() < 0.5)
    box = study2023.lima(key, devices=14 if is_earthquake else 33)
    source = study2023.true_detections(box) if is_earthquake else study2023.false_detections()
    table = simulate(jax.random.fold_in(key, 1), box, source, 1).table(0)
    return traveltime.prepare(table), is_earthquake, "study"


def check(datasets: int = 400, world: str = "own", out: Path | None = None) -> list[Record]:
    """Compare probabilities with what was drawn."""
    draw: Any
    draw, prior = (own_world, PRIOR) if world == "own" else (study_world, None)

    def one(number: int) -> dict[str, Any]:
        observations, is_earthquake, kind = draw(number)
        if not observations.enough:
            return {"left out": len(observations.triggers)}
        found = traveltime.comparison.compare(jax.random.key(number), observations, prior=prior)
        return {
            "is_earthquake": is_earthquake,
            "kind": kind,
            "probability": found.probability,
            "models": found.model_probability,
            "triggers": len(observations.triggers),
        }

    lines = [line for line in each(range(datasets), one, out) if "probability" in line]
    forecast = np.array([line["probability"] for line in lines])
    truth = np.array([line["is_earthquake"] for line in lines])
    test = calibration_test(jax.random.key(0), forecast, truth)
    sd = np.sqrt(np.mean(forecast * (1 - forecast)) / len(lines))
    records = [
        record(
            "earthquakes among the detections less their mean probability",
            float(np.mean(truth - forecast)),
            interval=np.mean(truth - forecast) + 1.96 * sd * np.array([-1, 1]),
            target=0.0,
            data_sets=len(lines),
        ),
        record("p of calibration", test.p_value, bounds=(0.05, None), data_sets=len(lines)),
        record("Brier score", float(np.mean((forecast - truth) ** 2)), data_sets=len(lines)),
    ]
    for low, high in ((0.0, 0.05), (0.05, 0.5), (0.5, 0.95), (0.95, 1.0)):
        inside = (forecast >= low) & ((forecast < high) | (high == 1.0))
        if inside.any():
            name = f"earthquakes where the probability is {low:g} to {high:g}"
            records.append(record(name, float(truth[inside].mean()), data_sets=int(inside.sum())))
            mean = float(forecast[inside].mean())
            records.append(record(f"mean probability there ({low:g} to {high:g})", mean))
    return show(records)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--datasets", type=int, default=400)
    parser.add_argument("--world", choices=["own", "study"], default="own")
    parser.add_argument("--out", type=Path, help="file of results; a later run continues it")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
