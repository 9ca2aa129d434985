"""Alarms of the sequential posterior: false-alarm rate, confusion of causes, delay.

Run: python validation/check_detection_alarms.py [--part guarantee|causes|delay] [--number N].

guarantee: streams of the background alone, several thresholds A and networks: steps per alarm of
the Shiryaev-Roberts statistic (at least A by theory), also with bursts that are not in the
detector's model, with and without the condition that an earthquake is more probable than the other
causes.
causes: N streams each of earthquakes, thunder, crowds, server bursts and quarry blasts amid human
triggers; the share declared an earthquake at one false alarm a year, and at the threshold of the
log odds that misses 1 % of the earthquakes.
delay: seconds from origin to alarm against the count rule of `eqstat.counts` at the same rate,
with the background alone and with thunder, crowds and server bursts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from records import Record, record, show
from scipy import stats

from eqstat.calibration import at_miss_probability, binomial_interval
from eqstat.counts import Background
from eqstat.counts.alarm import threshold
from eqstat.detection import Detector, detector, init, shiryaev_roberts_threshold, step
from eqstat.detection.causes import earthquake, network_burst, nodes, sound, venue
from eqstat.simulation import Network, Streams, count_rule, first_detections, simulate, uniform_box
from eqstat.simulation.sources import (
    Crowd,
    Earliest,
    Earthquakes,
    HumanTriggers,
    ServerBurst,
    ShakingProbability,
    Thunder,
    blasts,
    gamma_delay,
)

LATITUDE, LONGITUDE = (-12.39, -11.74), (-77.17, -76.66)
RATE_H = 0.5
BEFORE_S, AFTER_S = 20, 40
LIKELY = 0.9


def region(devices: int, seed: int = 0) -> tuple[Network, Detector]:
    """A network and its detector with the usual causes; phones answer 2.5 s after a wave."""
    box = uniform_box(jax.random.key(seed), devices, latitude=LATITUDE, longitude=LONGITUDE)
    unknown = nodes(share=(0.1, 0.3, 0.7), first_share=(0.9, 0.3), reach_km=(30.0, np.inf),
                    delay_s=2.5, sd_s=(0.8,))  # fmt: skip
    quake = earthquake(nodes=unknown)
    causes = (quake, sound(), venue(), network_burst())
    return box, detector(box.to_table(), causes=causes, background=RATE_H)


def guarantee(runs: int) -> list[Record]:
    """Steps per alarm under the background, with and without bursts."""
    records = []
    for devices in (100, 400):
        _, watch = region(devices)
        for bursts in (0.0, 1 / 200):
            alarms = dict.fromkeys((30.0, 100.0, 300.0), 0)
            likelier = dict.fromkeys(alarms, 0)
            steps = 0
            for run in range(runs):
                rng = np.random.default_rng(1000 * devices + run)
                state, hold_until = init(watch, 0.0), dict.fromkeys(alarms, -np.inf)
                for now in range(1, 601):
                    count = rng.binomial(devices, RATE_H / 3600)
                    if rng.uniform() < bursts:
                        count += rng.binomial(devices, rng.beta(2, 18))
                    device = rng.choice(devices, min(count, devices), replace=False)
                    time_s = rng.uniform(now - 1, now, len(device))
                    state, report = step(watch, state, now, device, time_s)
                    steps += 1
                    for level in alarms:
                        # After an alarm the statistic must fall before it may alarm again.
                        over = float(report.log_shiryaev_roberts[0]) >= np.log(level)
                        if over and now > hold_until[level]:
                            alarms[level] += 1
                            likelier[level] += float(report.probability[0]) > LIKELY
                        if over:
                            hold_until[level] = now + 36
            for level, count in alarms.items():
                low, high = stats.chi2.ppf((0.05, 0.95), (2 * count, 2 * count + 2)) / 2 / steps
                label = f"{devices} devices{', with bursts' if bursts else ''}, A = {level:g}"
                records += [
                    record(
                        f"{label}: steps per alarm",
                        steps / count if count else np.inf,
                        interval=(1 / max(high, 1e-12), 1 / max(low, 1e-12)),
                        level=0.9,
                        # The guarantee holds without bursts only.
                        bounds=None if bursts or not count else (level, None),
                        data_sets=steps,
                    ),
                    record(f"{label}: alarms", count, data_sets=steps),
                    record(
                        f"{label}: alarms with P(earthquake) > {LIKELY:g}",
                        likelier[level],
                        data_sets=steps,
                    ),
                ]
    return records


def follow(watch: Detector, streams: Streams) -> tuple[np.ndarray, np.ndarray]:
    """Log Shiryaev-Roberts and probabilities at each second, (streams, seconds[, causes])."""
    seconds = np.arange(-BEFORE_S + 1, AFTER_S + 1)
    ratio, chance = [], []
    for times in streams.first_trigger_s.astype(np.float64):
        state, rows = init(watch, -BEFORE_S), []
        for now in seconds:
            device = np.flatnonzero((times <= now) & (times > now - 1))
            state, report = step(watch, state, float(now), device, times[device])
            rows.append(report)
        ratio.append([np.asarray(report.log_shiryaev_roberts) for report in rows])
        chance.append([np.asarray(report.probability) for report in rows])
    return np.array(ratio), np.array(chance)


def odds(watch: Detector, ratio: np.ndarray) -> np.ndarray:
    """Log odds of the earthquake against all else, (streams, seconds)."""
    weight = ratio + np.asarray(watch.core.log_rate_per_slot)
    others = np.logaddexp(0.0, np.logaddexp.reduce(weight[..., 1:], axis=-1))
    return weight[..., 0] - others


def amid(source: Any) -> Earliest:
    """An event amid human triggers."""
    return Earliest(source, HumanTriggers(RATE_H, window_s=(-BEFORE_S, AFTER_S)))


def earthquakes(**options: Any) -> Earthquakes:
    """Earthquakes that phones feel."""
    usual: dict[str, Any] = {
        "depth_km": (3.0, 40.0), "magnitude": (4.5, 6.5), "probability": ShakingProbability(),
        "delay": gamma_delay(),
    }  # fmt: skip
    return Earthquakes(**(usual | options))


def causes(number: int) -> list[Record]:
    """Confusion of causes."""
    box, watch = region(400)
    level = shiryaev_roberts_threshold(watch)
    kinds: dict[str, Any] = {
        "earthquake": earthquakes(),
        "thunder": Thunder(),
        "crowd": Crowd(),
        "server": ServerBurst(),
        "blast": blasts(delay=gamma_delay(), probability=ShakingProbability()),
    }
    names = [*(cause.name for cause in watch.causes), "none"]
    scores: dict[str, np.ndarray] = {}
    records = []
    for index, (kind, source) in enumerate(kinds.items()):
        streams = simulate(jax.random.key(10 + index), box, amid(source), number)
        ratio, chance = follow(watch, streams)
        scores[kind] = odds(watch, ratio).max(axis=1)
        alarm = np.any((ratio[..., 0] >= level) & (chance[..., 0] > LIKELY), axis=1)
        # The most probable cause at the second at which "none" is least probable.
        at = np.argmin(chance[..., -1], axis=1)
        best = np.argmax(chance[np.arange(number), at], axis=1)
        shares = ", ".join(f"{name} {np.mean(best == i):.0%}" for i, name in enumerate(names))
        print(f"{kind}: most probable cause {shares}")
        records.append(
            record(
                f"{kind}: alarm at one false alarm a year and P(earthquake) > {LIKELY:g}",
                alarm.mean(),
                interval=binomial_interval(int(alarm.sum()), number, probability=0.95),
                unit="%",
                data_sets=number,
            )
        )
    for kind, values in scores.items():
        if kind != "earthquake":
            both = np.concatenate([scores["earthquake"], values])
            truth = np.arange(len(both)) < number
            result = at_miss_probability(both, truth, 0.01, larger="earthquake")
            rate = result.false_alarm_probability
            records.append(
                record(
                    f"{kind}: declared an earthquake where 1 % of the earthquakes are missed",
                    rate.estimate,
                    interval=(rate.low, rate.high),
                    level=0.9,
                    unit="%",
                    data_sets=number,
                )
            )
    return records


def first_over(over: np.ndarray) -> np.ndarray:
    """First second of each stream at which a condition holds, infinite where it never does."""
    seconds = np.arange(-BEFORE_S + 1, AFTER_S + 1)
    return np.where(over.any(axis=1), seconds[np.argmax(over, axis=1)], np.inf)


def gains(label: str, posterior: np.ndarray, counted: np.ndarray) -> list[Record]:
    """How much sooner the posterior alarms than the count rule."""
    both = np.isfinite(posterior) & np.isfinite(counted)
    gain, number = counted[both] - posterior[both], len(posterior)
    found = np.isfinite(posterior).sum(), np.isfinite(counted).sum()
    records = [
        record(f"{label}: found by the posterior", found[0], data_sets=number),
        record(f"{label}: found by the count rule", found[1], data_sets=number),
    ]
    if len(gain):
        low, middle, high = np.quantile(gain, [0.05, 0.5, 0.95])
        records += [
            record(
                f"{label}: posterior sooner by, median (5 to 95 %)",
                middle,
                interval=(low, high),
                level=0.9,
                unit="s",
                data_sets=len(gain),
            ),
            record(f"{label}: posterior slower", int(np.sum(gain < 0)), data_sets=len(gain)),
        ]
    return records


def yearly(alarms: dict[str, np.ndarray], rates: dict[str, float]) -> float:
    """False alarms a year by other causes, of which these times of alarm are a sample."""
    return sum(rate * float(np.isfinite(alarms[kind]).mean()) for kind, rate in rates.items())


def delay(number: int) -> list[Record]:
    """Seconds to the alarm against the count rule, both at one false alarm a year.

    First against the background alone: each rule at its own threshold. Then with thunder, crowds
    and server bursts at the rates of the detector's causes: both thresholds are raised until one
    false alarm a year is left among N streams of each.
    """
    records = []
    grid = np.unique(np.geomspace(5, 2000, 60).round())
    limits: Any = threshold(Background("poisson", RATE_H), grid, 12.0, kind="plug-in")
    quake = "earthquake"
    for devices in (100, 300, 1000):
        box, watch = region(devices)
        level = shiryaev_roberts_threshold(watch)
        of = {cause.name: cause.rate_per_year for cause in watch.causes}
        rates = {"thunder": of["sound"], "crowd": of["venue"], "server": of["network"]}
        sources: dict[str, Any] = {
            quake: earthquakes(magnitude=(5.0, 6.5)),
            "thunder": Thunder(),
            "crowd": Crowd(),
            "server": ServerBurst(),
        }
        streams, ratio, logit = {}, {}, {}
        for index, (kind, source) in enumerate(sources.items()):
            streams[kind] = simulate(jax.random.key(20 + index), box, amid(source), number)
            every, _ = follow(watch, streams[kind])
            ratio[kind], logit[kind] = every[..., 0], odds(watch, every)

        def counted(more: int, streams: dict = streams) -> dict[str, np.ndarray]:
            rule: Callable = count_rule(limits.assign(triggers=limits["triggers"] + more))
            times = {kind: first_detections(one, rule).time_s for kind, one in streams.items()}
            # The posterior is evaluated each second, which alone loses half a second.
            return {k: np.where(t <= AFTER_S, np.ceil(t), np.inf) for k, t in times.items()}

        def posterior(
            least: float, level: float = level, ratio: dict = ratio, logit: dict = logit
        ) -> dict[str, np.ndarray]:
            return {k: first_over((ratio[k] >= level) & (logit[k] >= least)) for k in ratio}

        alone = posterior(-np.inf)[quake], counted(0)[quake]
        records += gains(f"{devices} phones, background alone", *alone)
        least = next(x for x in np.arange(0, 60, 0.25) if yearly(posterior(x), rates) <= 1)
        more = next(
            m for m in range(0, 2000, max(devices // 100, 1)) if yearly(counted(m), rates) <= 1
        )
        usual = posterior(np.log(LIKELY / (1 - LIKELY)))
        records += [
            *gains(
                f"{devices} phones, with other causes",
                posterior(least)[quake],
                counted(more)[quake],
            ),
            record(
                f"{devices} phones: false alarms by other causes with P(earthquake) > {LIKELY:g}",
                yearly(usual, rates),
                unit="per year",
                data_sets=number,
            ),
        ]
    return records


def check(part: str = "guarantee", number: int = 200) -> list[Record]:
    """Run one part."""
    return show(PARTS[part](number))


PARTS = {"guarantee": guarantee, "causes": causes, "delay": delay}


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--number", type=int, default=200)
    options = parser.parse_args()
    for name in PARTS if options.part is None else [options.part]:
        check(name, options.number)


if __name__ == "__main__":
    main()
