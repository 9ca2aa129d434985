"""Thresholds in worlds of an independent generator: realised alarms against the budget.

Run: python validation/check_count_worlds.py [--world "slow intensity"] [--histories 20]
[--out FILE.jsonl].

For each history (20 regions, 60 days; see `count_worlds`) thresholds for one false alarm a year
over all regions are made in three ways: by hour of the day without a slow intensity
(`fit(..., slow=False)`); fixed ones by hour of the week, which marginalise over it; and adaptive
ones that follow it in steps of one minute. The realised rate is that of the 28 days that follow: of
fixed thresholds the expectation over the random part of the intensity, given the history and the
hour; of adaptive ones, which follow it, given its path in these 28 days (but for bursts, whose
onset nothing announces).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import count_worlds as worlds
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from records import Record, each, record, show
from scipy import stats

from eqstat.counts import Background, combine, fit, prepare
from eqstat.counts.alarm import Scorer, init, score, scorer, step, threshold

DRAWS = 64
BOUNDS, WORST = (0.3, 1.2), 3.0
# Worlds in which the intensity of quiet hours differs from day to day.
VARYING = ("slow intensity", "drifting devices")
# Worlds whose random part comes unannounced: of adaptive thresholds, too, the expectation is taken,
# as if they did not rise within a burst, which makes it an upper bound.
SUDDEN = ("bursts of minutes",)
KINDS = ("without a slow intensity", "fixed", "adaptive")


def plain_thresholds(posterior: Background, world: worlds.World) -> np.ndarray:
    """Thresholds by hour of the day at every `EVERY`-th judged step, (regions, steps)."""
    per_hour = worlds.PER_HOUR // worlds.STEP
    active = xr.DataArray(world.active[:, : 24 * per_hour : per_hour], dims=("region", "hour"))
    table = threshold(posterior, active, np.arange(24) + 0.5)
    return table["triggers"].to_numpy()[:, world.hour_of_week[world.watched :: worlds.EVERY] % 24]


def fixed_thresholds(tables: Scorer, world: worlds.World) -> np.ndarray:
    """Thresholds by hour of the week at every `EVERY`-th judged step, (regions, steps)."""
    judged = slice(world.watched, None, worlds.EVERY)
    hour, regions = world.hour_of_week[judged], np.arange(worlds.REGIONS)[:, None]
    scored = score(tables, 0, world.active[:, judged], hour % 24 + 0.5, regions, hour // 24)
    return -np.asarray(scored.margin)


@jax.jit
def _adaptive(tables: Scorer, counts: Any, active: Any, hours: Any) -> Any:
    """Smallest number of triggers that is an alarm, given the steps before, (steps, regions).

    The state moves by every step; every `EVERY`-th is judged.
    """
    regions = jnp.arange(worlds.REGIONS)

    def move(state: Any, seen: tuple) -> tuple:
        triggers, devices, hour = seen
        hour_of_day, day = hour % 24, (hour // 24).astype(int)
        after = step(tables, state, triggers, devices, hour_of_day, day, windows=worlds.STEP)
        return after, state

    def needed(seen: tuple) -> Any:
        state, devices, hour = seen
        hour_of_day, day = hour % 24, (hour // 24).astype(int)
        judge = partial(score, tables, state=state)
        near = -judge(jnp.zeros(worlds.REGIONS), devices, hour_of_day, regions, day).margin
        # The margin is interpolated; whether a count is an alarm is not.
        alarms = [
            judge(near + k, devices, hour_of_day, regions, day).margin >= 0 for k in range(-2, 3)
        ]
        return near - 2 + jnp.argmax(jnp.stack(alarms), axis=0)

    states = jax.lax.scan(move, init(tables), (counts, active, hours))[1]
    judged = jax.tree.map(lambda leaf: leaf[:: worlds.EVERY], (states, active, hours))
    return jax.lax.map(needed, judged, batch_size=512)


def adaptive_thresholds(tables: Scorer, world: worlds.World, counts: np.ndarray) -> np.ndarray:
    """Thresholds that follow the present intensity, every `EVERY`-th, (regions, steps)."""
    sums = counts.reshape(worlds.REGIONS, -1, worlds.STEP).sum(-1).T
    at = (world.watched + np.arange(len(sums)) + 0.5) * worlds.STEP / worlds.PER_HOUR
    arrays = (sums, world.active[:, world.watched :].T, at % 168)
    return np.asarray(_adaptive(tables, *(jnp.asarray(a, jnp.float32) for a in arrays))).T


def one(name: str, number: int) -> dict[str, Any]:
    """Realised rates and thresholds of one history."""
    world = worlds.world(name, number)
    counts = worlds.draw(world, number)
    watched = world.watched * worlds.STEP
    # Local time is UTC. Of clocks that are shifted nothing is known beforehand.
    zone = None if name == "clock shift" else "Etc/UTC"
    history = combine(
        [prepare(worlds.table(world, counts, r), time_zone=zone) for r in range(worlds.REGIONS)]
    )
    slow = fit(history)
    # As `fit(history, slow=False)` gives it, from the same Laplace approximation.
    without = replace(slow.background, tails=None, clock_shift_h=0.0)
    plain = replace(slow, slow=None, mode=without)
    of_plain, of_slow = (one.posterior(jax.random.key(0), DRAWS) for one in (plain, slow))
    tables = scorer(of_slow, most_active=1500, most_triggers=96)
    needed = {
        KINDS[0]: plain_thresholds(of_plain, world),
        KINDS[1]: fixed_thresholds(tables, world),
        KINDS[2]: adaptive_thresholds(tables, world, counts[:, watched:]),
    }
    judged = slice(world.watched, None, worlds.EVERY)
    mean, hour = world.mean[:, judged], world.hour_of_week[judged]
    log_factor = np.log(mean / world.active[:, judged])
    quiet = log_factor < np.quantile(log_factor, 0.2, axis=1, keepdims=True)
    line: dict[str, Any] = {}
    for kind, triggers in needed.items():
        on_path = _of_hours(worlds.true_rate(mean, triggers).sum(axis=0), hour)
        rates = on_path
        if kind != KINDS[2] or name in SUDDEN:
            expected = worlds.expected_rate(world, triggers).sum(axis=0)
            rates = _of_hours(expected, hour)
        line[kind] = {
            **rates,
            "on the path": on_path["realised"],
            "on the path, hour of week": on_path["hour of week"],
            "triggers": float(triggers.mean()),
        }
    lower = needed["fixed"] - needed["adaptive"]
    return line | {"lower": float(lower[quiet].mean())}


def _of_hours(rate: np.ndarray, hour: np.ndarray) -> dict[str, float]:
    """Mean rate, and those of the worst hours of the day and of the week."""
    return {
        "realised": float(rate.mean()),
        "hour of day": max(float(rate[hour % 24 == h].mean()) for h in range(24)),
        "hour of week": max(float(rate[hour == h].mean()) for h in range(168)),
    }


def check(
    world: str = "slow intensity", histories: int = 20, out: Path | None = None
) -> list[Record]:
    """Judge thresholds in histories 0 to `histories` - 1 of one world."""
    lines = each(range(histories), lambda number: one(world, number), out)
    records = []
    for kind in KINDS:
        required = kind != KINDS[0]
        for name, key, bounds in (
            ("realised false alarms a year", "realised", BOUNDS),
            ("the same in the worst hour of the day", "hour of day", (None, WORST)),
            ("the same in the worst hour of the week", "hour of week", (None, WORST)),
            ("the same on the path of 28 days alone", "on the path", None),
            ("mean threshold", "triggers", None),
        ):
            values = np.array([line[kind][key] for line in lines])
            records.append(_of_histories(f"{kind}: {name}", values, bounds if required else None))
        if required:
            price = np.mean([line[kind]["triggers"] - line[KINDS[0]]["triggers"] for line in lines])
            name = f"{kind}: price in triggers against thresholds without a slow intensity"
            records.append(record(name, float(price), data_sets=len(lines)))
    lower = float(np.mean([line["lower"] for line in lines]))
    name = "adaptive below fixed thresholds in the quietest fifth of the time, triggers"
    asked = {"bounds": (2.0, None)} if world in VARYING else {}
    records.append(record(name, lower, data_sets=len(lines), **asked))
    return show(records)


def _of_histories(
    name: str, values: np.ndarray, bounds: tuple[float | None, float | None] | None
) -> Record:
    """Mean over histories and, of several, its interval by Student's t."""
    count = len(values)
    interval = None
    if count > 1:
        interval = stats.t.interval(0.95, count - 1, values.mean(), stats.sem(values))
    return record(name, values.mean(), interval=interval, bounds=bounds, data_sets=count)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--world", choices=worlds.WORLDS, default="slow intensity")
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--out", type=Path, help="file of results; a later run continues it")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
