"""Alarms of the sequential posterior: how often false, how soon, and taken for what.

Run: python validation/check_detection_alarms.py [--part guarantee|causes|delay] [--number N].

guarantee: streams of the background alone, several thresholds A and networks: steps per alarm of
the Shiryaev-Roberts statistic (at least A by theory), also with bursts that the background does
not know, there with and without the condition that an earthquake is likelier than its rivals.
causes: N streams each of earthquakes, thunder, crowds, server bursts and quarry blasts amid human
triggers; which are called earthquakes at one false alarm a year, and at the threshold of the log
odds that misses 1 % of the earthquakes.
delay: seconds from origin to alarm against the count rule of the counts room at the same rate,
with the background alone and in a world of thunder, crowds and server bursts.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pandas as pd
from scipy import stats

from eqstat.calibration import at_miss_probability, binomial_interval
from eqstat.counts import Background
from eqstat.counts.alarm import threshold
from eqstat.detection import (
    Detector,
    detector,
    earthquake,
    init,
    network_burst,
    nodes,
    shiryaev_roberts_threshold,
    sound,
    step,
    venue,
)
from eqstat.simulation import (
    Crowd,
    Earliest,
    Earthquakes,
    HumanTriggers,
    Network,
    ServerBurst,
    ShakingProbability,
    Streams,
    Thunder,
    blasts,
    count_rule,
    first_detections,
    gamma_delay,
    simulate,
    uniform_box,
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
    quake = earthquake(unknown=unknown)
    causes = (quake, sound(), venue(), network_burst())
    return box, detector(box.to_table(), causes=causes, background=RATE_H)


def guarantee(runs: int) -> None:
    """Steps per alarm under the background, with and without bursts."""
    for devices in (100, 400):
        _, watch = region(devices)
        for bursts in (0.0, 1 / 200):
            alarms = dict.fromkeys((30.0, 100.0, 300.0), 0)
            both = dict.fromkeys(alarms, 0)
            steps = 0
            for run in range(runs):
                rng = np.random.default_rng(1000 * devices + run)
                state, held = init(watch, 0.0), dict.fromkeys(alarms, -np.inf)
                for now in range(1, 601):
                    count = rng.binomial(devices, RATE_H / 3600)
                    if rng.uniform() < bursts:
                        count += rng.binomial(devices, rng.beta(2, 18))
                    who = rng.choice(devices, min(count, devices), replace=False)
                    state, report = step(
                        watch, state, now, who, rng.uniform(now - 1, now, len(who))
                    )
                    steps += 1
                    for level in alarms:
                        # After an alarm the statistic is let fall before it may alarm again.
                        over = float(report.log_shiryaev_roberts[0]) >= np.log(level)
                        if over and now > held[level]:
                            alarms[level] += 1
                            both[level] += float(report.probability[0]) > LIKELY
                        if over:
                            held[level] = now + 36
            for level, count in alarms.items():
                low, high = stats.chi2.ppf((0.05, 0.95), (2 * count, 2 * count + 2)) / 2 / steps
                print(
                    f"{devices} devices, bursts {bursts:.3f} a step, A = {level:g}: {count} alarms "
                    f"in {steps} steps, one in {1 / max(high, 1e-12):.0f} to "
                    f"{1 / max(low, 1e-12):.0f} steps; {both[level]} also likelier than rivals"
                )


def follow(watch: Detector, streams: Streams) -> tuple[np.ndarray, np.ndarray]:
    """Log Shiryaev-Roberts and probabilities at each second, (streams, seconds[, causes])."""
    seconds = np.arange(-BEFORE_S + 1, AFTER_S + 1)
    ratio, chance = [], []
    for times in streams.first_trigger_s.astype(np.float64):
        state, rows = init(watch, -BEFORE_S), []
        for now in seconds:
            who = np.flatnonzero((times <= now) & (times > now - 1))
            state, report = step(watch, state, float(now), who, times[who])
            rows.append(report)
        ratio.append([np.asarray(report.log_shiryaev_roberts) for report in rows])
        chance.append([np.asarray(report.probability) for report in rows])
    return np.array(ratio), np.array(chance)


def odds(watch: Detector, ratio: np.ndarray) -> np.ndarray:
    """Log odds of the earthquake against all else, (streams, seconds)."""
    weight = ratio + np.asarray(watch.core.log_yearly)
    rest = np.logaddexp(0.0, np.logaddexp.reduce(weight[..., 1:], axis=-1))
    return weight[..., 0] - rest


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


def causes(number: int) -> None:
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
    for index, (kind, source) in enumerate(kinds.items()):
        streams = simulate(jax.random.key(10 + index), box, amid(source), number)
        ratio, chance = follow(watch, streams)
        scores[kind] = odds(watch, ratio).max(axis=1)
        alarm = np.any((ratio[..., 0] >= level) & (chance[..., 0] > LIKELY), axis=1)
        # What is believed when least is left to nothing at all.
        at = np.argmin(chance[..., -1], axis=1)
        best = np.argmax(chance[np.arange(number), at], axis=1)
        taken = ", ".join(f"{name} {np.mean(best == i):.0%}" for i, name in enumerate(names))
        low, high = binomial_interval(int(alarm.sum()), number, probability=0.95)
        print(
            f"{kind}: alarm in {alarm.mean():.1%} ({low:.1%} to {high:.1%}); believed to be {taken}"
        )
    for kind, values in scores.items():
        if kind != "earthquake":
            both = np.concatenate([scores["earthquake"], values])
            truth = np.arange(len(both)) < number
            found = at_miss_probability(both, truth, 0.01, larger="earthquake")
            rate = found.false_alarm_probability
            print(f"{kind} called an earthquake where 1 % are missed: {rate.estimate:.1%} "
                  f"({rate.low:.1%} to {rate.high:.1%})")  # fmt: skip


def first_over(over: np.ndarray) -> np.ndarray:
    """First second of each stream at which something holds, infinite where it never does."""
    seconds = np.arange(-BEFORE_S + 1, AFTER_S + 1)
    return np.where(over.any(axis=1), seconds[np.argmax(over, axis=1)], np.inf)


def gains(name: str, soon: np.ndarray, counted: np.ndarray) -> None:
    """Print how much sooner the posterior alarms."""
    both = np.isfinite(soon) & np.isfinite(counted)
    gain = counted[both] - soon[both]
    quantiles = ", ".join(
        f"{q:.0f}" for q in pd.Series(gain).quantile([0.05, 0.25, 0.5, 0.75, 0.95])
    )
    alone = np.isfinite(soon) & ~np.isfinite(counted), ~np.isfinite(soon) & np.isfinite(counted)
    print(
        f"  {name}: {both.sum()} of {len(soon)} found by both, posterior alone {alone[0].sum()}, "
        f"count rule alone {alone[1].sum()}; gain in s at 5, 25, 50, 75, 95 %: {quantiles}; "
        f"posterior slower in {np.sum(gain < 0)}"
    )


def yearly(found: dict[str, np.ndarray], rates: dict[str, float]) -> float:
    """False alarms a year by rivals, of which these times of alarm are a sample."""
    return sum(rate * float(np.isfinite(found[kind]).mean()) for kind, rate in rates.items())


def delay(number: int) -> None:
    """Seconds to the alarm against the count rule, both at one false alarm a year.

    First against the background alone: each rule at its own threshold. Then in a world in which
    thunder, crowds and server bursts happen as often as the causes say: both thresholds are
    raised until one false alarm a year is left among N streams of each.
    """
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
            # The posterior is looked at each second; half of one is lost by that alone.
            return {k: np.where(t <= AFTER_S, np.ceil(t), np.inf) for k, t in times.items()}

        def believed(
            least: float, level: float = level, ratio: dict = ratio, logit: dict = logit
        ) -> dict[str, np.ndarray]:
            return {k: first_over((ratio[k] >= level) & (logit[k] >= least)) for k in ratio}

        print(f"{devices} phones:")
        gains("background alone", believed(-np.inf)[quake], counted(0)[quake])
        least = next(x for x in np.arange(0, 60, 0.25) if yearly(believed(x), rates) <= 1)
        more = next(
            m for m in range(0, 2000, max(devices // 100, 1)) if yearly(counted(m), rates) <= 1
        )
        print(
            f"  with rivals: {yearly(believed(-np.inf), rates):.0f} and "
            f"{yearly(counted(0), rates):.0f} false alarms a year at these thresholds; one at log "
            f"odds of {least:g}, and with {more} triggers more; largest log odds: "
            + ", ".join(f"{kind} {logit[kind].max():.1f}" for kind in rates)
        )
        gains("with rivals", believed(least)[quake], counted(more)[quake])
        usual = believed(np.log(LIKELY / (1 - LIKELY)))
        print(
            f"  default rule of the posterior (P > {LIKELY}): {yearly(usual, rates):.1f} false "
            f"alarms a year by rivals, {np.isfinite(usual[quake]).mean():.1%} of the earthquakes "
            f"found, in the median {np.median(usual[quake]):.0f} s after the origin"
        )


def main() -> None:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = {"guarantee": guarantee, "causes": causes, "delay": delay}
    parser.add_argument("--part", choices=parts)
    parser.add_argument("--number", type=int, default=200)
    options = parser.parse_args()
    for name, part in parts.items():
        if options.part in (None, name):
            part(options.number)


if __name__ == "__main__":
    main()
