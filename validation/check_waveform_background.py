"""The learner of sensors' noise and false triggers: calibration, worlds that are not its own, cost.

Run: python validation/check_waveform_background.py [--part NAME].

sbc: ranks of true rates and noise among the posterior, on sensors drawn from the prior; and on
sensors of which the prior is that of a fleet. worlds: maxima of the simulated records with which
the agent's threshold of one sensor was judged (a day cycle, bursts, growing noise, a heavy tail),
at a weak prior. blocks: realised over predicted rates with blocks of 30 s and of 3 s, which says
what it costs to take numbers of blocks for Poisson. fleets: the same with priors of 40 fleets, with
intervals over fleets. cost: a step of many sensors, and the size of a state.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import agent_worlds as worlds
import jax
import numpy as np
from records import Record, record, show
from scipy.stats import kstest, t

from eqstat import edge
from eqstat.calibration import rank_uniformity, sbc_ranks
from eqstat.waveform import background

NUMBERS = {"sbc": 1000, "worlds": 20, "blocks": 4000, "fleets": 40, "cost": 1}
SEED, DRAWS, HOURS = 20261201, 99, 30 / 3600
LEVELS = np.linspace(0.0, 6.0, 25)
SHOWN = (4, 10, 16)


def true_prior() -> background.BackgroundPrior:
    """Fleet of which nothing is forgotten and nothing is shaking: the learner's own model."""
    return background.weak_prior(
        LEVELS, noise_mean=-6.0, noise_sd=0.8, most_per_hour=12.0, least_per_hour=0.05,
        factor_sd=0.8, half_life_h=np.inf, noise_half_life_h=np.inf, shaking=0.0,
    )  # fmt: skip


def ranked(title: str, prior: Any, fleet: Any, first: int) -> list[Record]:
    """Uniformity of the truth among draws of the posterior, sensors from `first` on."""
    devices = fleet.top.shape[1]
    state, _ = background.learn(
        prior, background.init(prior, devices), HOURS, fleet.noise, fleet.top
    )
    states, records = np.asarray(state), []
    keys = [jax.random.fold_in(jax.random.key(SEED), number) for number in range(devices)]
    drawn = np.array([
        background.draw_rates(key, prior, one, DRAWS)
        for key, one in zip(keys[first:], states[first:], strict=True)
    ])  # fmt: skip
    for level in SHOWN:
        ranks = sbc_ranks(fleet.per_hour[first:, level], drawn[:, :, level])
        p_value = rank_uniformity(ranks, DRAWS, bins=20).p_value
        name = f"{title}: p of uniform ranks of the rate above {LEVELS[level]:g}"
        records.append(record(name, p_value, bounds=(0.01 / 4, None), data_sets=devices - first))
    mean, weight, shape, scale = edge.background_noise(np, prior.model, states[first:])
    z = (fleet.mean[first:] - mean) / np.sqrt(scale / shape / weight)
    p_value = kstest(t.cdf(z, 2 * shape), "uniform").pvalue
    name = f"{title}: p of uniform ranks of the mean log noise"
    records.append(record(name, p_value, bounds=(0.01 / 4, None), data_sets=devices - first))
    return records


def sbc(number: int) -> list[Record]:
    """Calibration of the posterior, with the true prior and with that of a fleet of 50."""
    prior = true_prior()
    fleet = background.simulate(jax.random.key(SEED), prior, devices=number + 50, blocks=720)
    records = ranked("true prior", prior, fleet, 50)
    start = background.weak_prior(LEVELS, half_life_h=np.inf, noise_half_life_h=np.inf, shaking=0.0)
    state, _ = background.learn(
        start, background.init(start, 50), HOURS, fleet.noise[:, :50], fleet.top[:, :50]
    )
    fitted = background.fit_prior(start, state)
    records += ranked("prior of a fleet of 50", fitted, fleet, 50)
    for name, own in (("true prior", prior), ("prior of a fleet of 50", fitted)):
        for (rate, part), sums in numbers_above(own, fleet.top[:, 50:], HOURS).items():
            records.append(over_predicted(f"{name}, set {rate:g} an hour, {part}", sums))
    return records


def numbers_above(prior: Any, top: np.ndarray, hours: float) -> dict[tuple[float, str], np.ndarray]:
    """Blocks above each sensor's threshold, and those predicted before each block, (devices, 2).

    By the rate that is set and by the part of the record.
    """
    first = round(1 / hours)
    later = "second hour" if len(top) == 2 * first else f"hours 2 to {len(top) // first}"
    parts = {"first hour": slice(0, first), later: slice(first, None)}
    empty = np.full_like(top, np.nan)
    _, before = background.learn(prior, background.init(prior, top.shape[1]), hours, empty, top)
    sums = {}
    for rate in (0.5, 4.0):
        answer = background.threshold(prior, before, rate)
        above = top > np.asarray(answer.threshold)
        # A quiet sensor is below what is set at the lowest level already, and says so.
        predicted = hours * np.asarray(answer.per_hour, float)
        predicted = np.where(np.isfinite(answer.threshold), predicted, 0.0)
        for part, rows in parts.items():
            sums[rate, part] = np.stack([each[rows].sum(axis=0) for each in (above, predicted)], 1)
    return sums


def over_predicted(title: str, sums: np.ndarray) -> Record:
    """Realised over predicted number from independent rows of both, with an interval of 95 %."""
    expected = sums[:, 1].sum()
    error = 1.96 * (sums[:, 0] - sums[:, 1]).std() * np.sqrt(len(sums)) / expected
    value = sums[:, 0].sum() / expected
    return record(
        f"{title}: realised over predicted",
        value,
        interval=(value - error, value + error),
        target=1.0,
        data_sets=len(sums),
    )


def blocks(number: int) -> list[Record]:
    """What it costs that a block counts once: blocks of 30 s and of 3 s, two hours."""
    prior, records = true_prior(), []
    for seconds in (30, 3):
        keys = [jax.random.fold_in(jax.random.key(SEED + seconds), n) for n in range(number // 500)]
        each = []
        for key in keys:
            fleet = background.simulate(
                key, prior, devices=500, blocks=7200 // seconds, hours=seconds / 3600
            )
            each.append(numbers_above(prior, fleet.top, seconds / 3600))
        records += [
            over_predicted(f"blocks of {seconds} s, set {rate:g} an hour, {part}",
                           np.concatenate([one[rate, part] for one in each]))
            for rate, part in each[0]
        ]  # fmt: skip
    return records


def fleets(number: int) -> list[Record]:
    """The prior of a fleet of 50 for 50 new sensors, over fleets: six hours of each."""
    prior, each = true_prior(), []
    start = background.weak_prior(LEVELS, half_life_h=np.inf, noise_half_life_h=np.inf, shaking=0.0)
    for n in range(number):
        key = jax.random.fold_in(jax.random.key(SEED + 1), n)
        fleet = background.simulate(key, prior, devices=100, blocks=720)
        old, new = fleet.top[:, :50], fleet.top[:, 50:]
        state, _ = background.learn(
            start, background.init(start, 50), HOURS, fleet.noise[:, :50], old
        )
        sums = numbers_above(background.fit_prior(start, state), new, HOURS)
        each.append({key: value.sum(axis=0) for key, value in sums.items()})
    return [
        over_predicted(f"prior of a fleet of 50, set {rate:g} an hour, {part}",
                       np.stack([one[rate, part] for one in each]))
        for rate, part in each[0]
    ]  # fmt: skip


def other_worlds(number: int) -> list[Record]:
    """Realised over set in the worlds of the agent's threshold, one sensor at a weak prior."""
    prior = background.weak_prior(np.linspace(0.0, 12.0, 97), half_life_h=48.0)
    records = []
    for world in worlds.WORLDS:
        top = np.stack([worlds.maxima(world, 5, seed)[1] for seed in range(number)], axis=1)
        empty = np.full_like(top, np.nan)
        _, before = background.learn(prior, background.init(prior, number), HOURS, empty, top)
        for rate in (0.5, 4.0):
            above = top > np.asarray(background.threshold(prior, before, rate).threshold)
            for part, rows in (("first day", above[:2880]), ("days 2 to 5", above[2880:])):
                title = f"{world}, set {rate:g} an hour: {part}, realised over set"
                records.append(
                    record(title, rows.sum() / (rate * HOURS * rows.size), data_sets=number)
                )
    return records


def cost() -> list[Record]:
    """Time of a compiled step and of a step on the edge, and the size of a state."""
    prior = background.weak_prior(np.linspace(0.0, 6.0, 49))
    devices, rng = 100_000, np.random.default_rng(SEED)
    noise, top = rng.normal(size=(2, devices)).astype(np.float32)
    step = jax.jit(lambda state: background.step(prior, state, HOURS, noise, top))
    state = step(background.init(prior, devices)).block_until_ready()
    start = time.perf_counter()
    for _ in range(5):
        state = step(state).block_until_ready()
    fast = devices * 5 / (time.perf_counter() - start)
    small, model = np.zeros(4 + 49), prior.model
    start = time.perf_counter()
    for _ in range(500):
        small = edge.background_step(np, model, small, HOURS, -6.0, 1.0)
    slow = (time.perf_counter() - start) / 500 * 1e6
    return [
        record("blocks a second, 100,000 sensors in JAX", fast),
        record("a block of one sensor by edge.py, microseconds", slow),
        record("bytes of a state of 49 levels in single precision", 4 * state.shape[1]),
    ]


def check(part: str = "sbc", number: int = 1000) -> list[Record]:
    """Run a part."""
    parts = {"sbc": sbc, "worlds": other_worlds, "blocks": blocks, "fleets": fleets}
    return show(cost() if part == "cost" else parts[part](number))


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=NUMBERS)
    parser.add_argument("--number", type=int)
    options = parser.parse_args()
    for part in [options.part] if options.part else NUMBERS:
        print(part)
        check(part, options.number or NUMBERS[part])


if __name__ == "__main__":
    main()
