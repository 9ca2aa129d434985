"""Thresholds in worlds of an independent generator: realised alarms against the budget.

Run: python validation/check_count_worlds.py [--world "slow intensity"] [--histories 20]
[--out FILE.jsonl].

For each history (20 regions, 60 days; see `count_worlds`) thresholds for one false alarm a year
over all regions are made in three ways: without a slow intensity (`fit(..., slow=False)`), fixed
thresholds that marginalise over it, and adaptive ones that follow it in steps of one minute. The
realised rate is an expectation given the true means of the 28 days that follow.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import count_worlds as worlds
import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from records import Record, each, record, show

from eqstat.counts import BackgroundFit, fit, prepare
from eqstat.counts.alarm import Scorer, init, score, scorer, step, threshold

DRAWS = 64
BOUNDS, WORST = (0.3, 1.2), 3.0
# Worlds in which the intensity of quiet hours differs from day to day.
VARYING = ("slow intensity", "drifting devices")
KINDS = ("without a slow intensity", "fixed", "adaptive")


def fixed_thresholds(fitted: BackgroundFit, world: worlds.World) -> np.ndarray:
    """Thresholds by region and step of the judged time, (regions, steps)."""
    posterior = fitted.posterior(jax.random.key(0), DRAWS)
    per_hour = worlds.PER_HOUR // worlds.STEP
    active = xr.DataArray(world.active[:, : 24 * per_hour : per_hour], dims=("region", "hour"))
    table = threshold(posterior, active, np.arange(24) + 0.5)
    return table["triggers"].to_numpy()[:, world.hour_of_week[world.watched :] % 24]


@jax.jit
def _adaptive(tables: Scorer, counts: Any, active: Any, hours: Any) -> Any:
    """Smallest number of triggers that is an alarm, given the steps before, (steps, regions)."""
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
    return jax.lax.map(needed, (states, active, hours), batch_size=512)


def adaptive_thresholds(
    fitted: BackgroundFit, world: worlds.World, counts: np.ndarray
) -> np.ndarray:
    """Thresholds that follow the present intensity, (regions, steps)."""
    posterior = fitted.posterior(jax.random.key(0), DRAWS)
    tables = scorer(posterior, most_active=1500, most_triggers=96)
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
    history = prepare(worlds.table(world, counts, 0, watched), time_zone=zone)
    plain, slow = fit(history, slow=False), fit(history)
    needed = {
        KINDS[0]: fixed_thresholds(plain, world),
        KINDS[1]: fixed_thresholds(slow, world),
        KINDS[2]: adaptive_thresholds(slow, world, counts[:, watched:]),
    }
    mean = world.mean[:, world.watched :]
    hour = world.hour_of_week[world.watched :]
    log_factor = np.log(mean / world.active[:, world.watched :])
    quiet = log_factor < np.quantile(log_factor, 0.2, axis=1, keepdims=True)
    line: dict[str, Any] = {}
    for kind, triggers in needed.items():
        rate = worlds.true_rate(mean, triggers).sum(axis=0)
        of_week = max(float(rate[hour == h].mean()) for h in range(168))
        of_day = max(float(rate[hour % 24 == h].mean()) for h in range(24))
        line[kind] = {
            "realised": float(rate.mean()),
            "hour of day": of_day,
            "hour of week": of_week,
            "triggers": float(triggers.mean()),
        }
    lower = needed["fixed"] - needed["adaptive"]
    return line | {"lower": float(lower[quiet].mean())}


def check(
    world: str = "slow intensity", histories: int = 20, out: Path | None = None
) -> list[Record]:
    """Judge thresholds in histories 0 to `histories` - 1 of one world."""
    lines = each(range(histories), lambda number: one(world, number), out)
    records = []
    for kind in KINDS:
        required = kind != KINDS[0]
        mean = {
            name: float(np.mean([line[kind][name] for line in lines])) for name in lines[0][kind]
        }
        for name, value, bounds in (
            ("realised false alarms a year", mean["realised"], BOUNDS),
            ("the same in the worst hour of the day", mean["hour of day"], (None, WORST)),
            ("the same in the worst hour of the week", mean["hour of week"], (None, WORST)),
            ("mean threshold", mean["triggers"], None),
        ):
            asked = {"bounds": bounds} if bounds and required else {}
            records.append(record(f"{kind}: {name}", value, data_sets=len(lines), **asked))
    lower = float(np.mean([line["lower"] for line in lines]))
    name = "adaptive below fixed thresholds in the quietest fifth of the time, triggers"
    asked = {"bounds": (2.0, None)} if world in VARYING else {}
    records.append(record(name, lower, data_sets=len(lines), **asked))
    return show(records)


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--world", choices=worlds.WORLDS, default="slow intensity")
    parser.add_argument("--histories", type=int, default=20)
    parser.add_argument("--out", type=Path, help="file of results; a later run continues it")
    check(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
