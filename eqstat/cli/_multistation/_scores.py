"""Scores of a network and of a climatology on earthquakes that neither has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from eqstat.ground_motion.mixture import Mixture
    from eqstat.ground_motion.network import Examples
    from eqstat.ground_motion.network.multistation import MultistationEnsemble

RESAMPLED = 1000


def climatology_of(examples: Examples) -> tuple[float, float]:
    """Mean and standard deviation of log10 PGA by maximum likelihood, bounds included."""
    from eqstat.ground_motion.mixture import fit_normal

    return fit_normal(examples.log10_pga[examples.mask], examples.upper[examples.mask])


def judge(
    seed: int,
    network: MultistationEnsemble,
    examples: Examples,
    climatology: tuple[float, float],
    floor_m_s2: float | None,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Scores at each time, and their sum.

    The former have the keys `time_s` (None: all), `targets`, and by score its value and that of the
    climatology, with the share of targets inside of the 90 % interval.
    """
    import jax
    import jax.numpy as jnp
    import numpy as np

    from eqstat.ground_motion.mixture import Mixture
    from eqstat.ground_motion.network.multistation import in_blocks

    mask = examples.mask
    row = np.nonzero(mask)[0]
    target, upper = examples.log10_pga[mask], examples.upper[mask]
    mean, sd = climatology
    usual = Mixture(*(jnp.full((len(row), 1), v, jnp.float32) for v in (0.0, mean, sd)))
    answer = in_blocks(network, examples.features)
    if isinstance(answer, Mixture):
        own = Mixture(*(jnp.asarray(leaf[mask]) for leaf in
                        (answer.log_weight, answer.mean, answer.scale)))  # fmt: skip
        scores = _densities(jax.random.key(seed), own, usual, target, floor_m_s2)
        main = "crps"
    else:
        scores = _classes(network, answer[mask], usual, target, upper)
        main = "brier"
    _, event = np.unique(examples.event, return_inverse=True)
    elapsed = np.asarray(examples.features.elapsed_s)[row]
    table = []
    for time in [*np.unique(elapsed), None]:
        use = np.ones(len(row), bool) if time is None else elapsed == time
        means = {name: float(np.nanmean(values[use])) for name, values in scores.items()}
        table.append({"time_s": None if time is None else float(time), "targets": int(use.sum()),
                      **means})  # fmt: skip
    both = [_by_event(scores[name], event[row]) for name in (main, f"{main}_climatology")]
    skill, low, high = _skill(seed, *both)
    total = {
        "score": main, "events": len(np.unique(event)), "value": table[-1][main],
        "climatology": table[-1][f"{main}_climatology"], "skill": skill,
        "skill_interval": [low, high],
    }  # fmt: skip
    return table, total


def _densities(
    key: Any, own: Mixture, usual: Mixture, target: np.ndarray, floor_m_s2: float | None
) -> dict[str, np.ndarray]:
    import numpy as np

    from eqstat.ground_motion.mixture import (
        censored_crps,
        censored_log_density,
        crps,
        log_density,
        randomised_pit,
    )

    floor = () if floor_m_s2 is None else (np.log10(floor_m_s2),)
    distance = censored_crps if floor else crps
    density = censored_log_density if floor else log_density
    out = {}
    for end, mixture in (("", own), ("_climatology", usual)):
        out[f"log_score{end}"] = -np.asarray(density(mixture, target, *floor))
        out[f"crps{end}"] = np.asarray(distance(mixture, target, *floor))
    pit = np.asarray(randomised_pit(key, own, target, *floor))
    out["coverage_90"] = ((pit >= 0.05) & (pit <= 0.95)).astype(float)
    return out


def _classes(
    network: MultistationEnsemble, own: Any, usual: Mixture, target: Any, upper: Any
) -> dict[str, np.ndarray]:
    """Mean scores over the thresholds at which it is known whether they were passed."""
    import numpy as np

    from eqstat.ground_motion.mixture import exceedance

    levels = np.asarray(network.settings.log10_thresholds)
    passed = target[:, None] > levels
    known = ~upper[:, None] | (levels >= target[:, None] - 1e-6)
    expected = np.stack([np.asarray(exceedance(usual, u)) for u in levels], axis=1)
    out = {}
    for end, chance in (("", own), ("_climatology", expected)):
        chance = np.clip(chance, 1e-6, 1 - 1e-6)
        lost = -np.log(np.where(passed, chance, 1 - chance))
        for name, each in (("log_score", lost), ("brier", (chance - passed) ** 2)):
            weight = known / np.where(known.any(axis=1), known.sum(axis=1), np.nan)[:, None]
            out[f"{name}{end}"] = (weight * each).sum(axis=1)
    return out


def _by_event(values: np.ndarray, event: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.bincount(event, np.nan_to_num(values))


def _skill(seed: int, own: np.ndarray, usual: np.ndarray) -> tuple[float, float, float]:
    """Skill, and its 90 % interval by drawing events again."""
    import numpy as np

    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=RESAMPLED)
    low, high = np.quantile(1 - (drawn @ own) / (drawn @ usual), [0.05, 0.95])
    return float(1 - own.sum() / usual.sum()), float(low), float(high)
