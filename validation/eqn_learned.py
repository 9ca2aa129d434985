r"""A model of EQN's detections whose trigger threshold is learned, against fixed numbers.

Given the earthquake (magnitude and distance from the catalogue), N active phones and the need k of
the inferred rule, and z the strength of the earthquake that all phones share: the phones trigger
on P, or on P or S, with the probabilities of `eqstat.detectability.trigger_probability`; a
detection is caused by P where k phones trigger on P, by S where they do with S only; it comes a
gamma-distributed delay after the phase, whose mean moves with the share k / (N p) of the triggering
phones that complete it. Learned: trigger threshold, able share, amplitude of P, and the delays. The
likelihood is that of cause and delay given that there was a detection.

The fixed numbers are gamma-distributed delays after P and S, and a logistic regression of the
cause on magnitude and distance, which were fitted to all of these detections.
"""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from jax.scipy.special import ndtr, ndtri
from jax.scipy.stats import gamma
from records import Record, record
from scipy import special
from scipy.optimize import minimize

from eqstat.calibration import binomial_interval
from eqstat.detectability import DeviceResponse, poisson_rule, trigger_probability
from eqstat.ground_motion import GroundMotion, event_design, median, record_sd_at

FOLDS, NODES = 5, np.linspace(-3.5, 3.5, 29)
LEVELS = (0.16, 0.5, 0.84)
LEAST, MOST = 1e-6, 20.0
# Prior means and standard deviations: log10 of the phone's threshold (m/s2), logit of the able
# share, log10 of the amplitude of P, log mean and standard deviation (s) of the delay after P and
# after S, and s by which the delay grows with the score of the share that completes it.
NAMES = ("threshold", "able", "p_ratio", "mean_p", "sd_p", "mean_s", "sd_s", "order")
MEAN = np.array([-1.0, 1.4, -0.6, 1.4, 0.4, 1.4, 0.7, 0.5])
SD = np.array([0.5, 0.7, 0.15, 0.5, 0.5, 0.5, 0.5, 0.5])


def columns(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """What the models need of each detection."""
    delay = table["delay_s"].to_numpy()
    arrival = [delay - table[f"triggerdelay_wrt_{phase}"].to_numpy() for phase in "PS"]
    active = table["active"].to_numpy()
    return {
        "magnitude": table["magnitude"].to_numpy(),
        "depth": table["depth"].to_numpy(),
        "distance": np.hypot(table["separation"], np.maximum(table["depth"], 1.0)).to_numpy(),
        "active": active,
        "needed": poisson_rule(0.016)(active, np.zeros(len(active))),
        "delay": delay,
        "after_p": delay - arrival[0],
        "after_s": delay - arrival[1],
        "by_p": (table["causal_phase"] == "P").to_numpy().astype(float),
    }


def response_of(values: Any) -> DeviceResponse:
    """Device response at some values of the parameters."""
    new = 10.0 ** values[0], jax.nn.sigmoid(values[1]), 10.0 ** values[2]
    return eqx.tree_at(
        lambda r: (r.trigger_m_s2, r.able_share, r.p_amplitude_ratio), DeviceResponse(), new
    )


def shaking(data: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Median log10 PGA, standard deviations of what phones share and do not."""
    motion = GroundMotion()
    size, away = data["magnitude"], data["distance"]
    middle = median(motion, size, away, data["depth"], motion.vs30_log10_mean)
    factors = event_design(motion, size, away)
    event = jnp.hypot(factors[..., 0] * motion.event_sd, factors[..., 1] * motion.spreading_sd)
    scatter = record_sd_at(motion, size)
    field = motion.correlated_share * 0.5 * scatter**2
    return middle, jnp.sqrt(event**2 + field), jnp.sqrt(scatter**2 - field)


@jax.jit
def joint(values: Any, data: dict[str, Any]) -> dict[str, Any]:
    """Log joint densities of cause and delay at each value of the shared term, given detection.

    Returns `cause` (detections, 2, nodes) without and `both` with the density of the delay.
    """
    middle, shared, own = shaking(data)
    level = middle[:, None] + shared[:, None] * NODES
    p, s = trigger_probability(response_of(values), level, own[:, None])
    number, needed = data["active"][:, None], data["needed"][:, None]

    def enough(share: Any) -> Any:
        sd = jnp.sqrt(number * share * (1 - share) + 0.1)
        return ndtr((number * share - needed + 0.5) / sd)

    by_p = enough(p)
    by_either = jnp.maximum(enough(p + s), by_p)
    log_z = jax.nn.log_softmax(-0.5 * NODES**2)
    chance = jnp.stack([by_p, by_either - by_p], axis=1)
    log_chance = log_z + jnp.log(jnp.maximum(chance, 1e-12))
    log_chance = log_chance - jax.nn.logsumexp(log_chance, axis=(1, 2), keepdims=True)
    densities = []
    for share, mean, sd, after in (
        (p, values[3], values[4], data["after_p"]),
        (p + s, values[5], values[6], data["after_s"]),
    ):
        score = ndtri(jnp.clip(needed / (number * share + 1e-6), 0.02, 0.98))
        middle_s = jnp.maximum(jnp.exp(mean) + jax.nn.softplus(values[7]) * score, 0.3)
        shape = (middle_s / jnp.exp(sd)) ** 2
        value = gamma.logpdf(jnp.maximum(after[:, None], 0.05), shape, scale=middle_s / shape)
        densities.append(jnp.where(after[:, None] > 0, value, -12.0))
    return {"cause": log_chance, "both": log_chance + jnp.stack(densities, axis=1)}


def pick(log_density: Any, data: dict[str, Any]) -> Any:
    """Log density of each detection's own cause."""
    summed = jax.nn.logsumexp(log_density, axis=2)
    return jnp.where(data["by_p"] > 0, summed[:, 0], summed[:, 1])


def scores(values: Any, data: dict[str, Any]) -> Any:
    """Log density of cause and delay of each detection; a small share is of something else."""
    return jnp.logaddexp(pick(joint(values, data)["both"], data), np.log(LEAST))


def objective(values: Any, data: dict[str, Any]) -> Any:
    """Negative log posterior density."""
    prior = 0.5 * jnp.sum(((values - MEAN) / SD) ** 2)
    return prior - jnp.sum(scores(values, data))


value_and_slope = jax.jit(jax.value_and_grad(objective))
slopes = jax.jit(jax.jacfwd(scores))


def learned(data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mode of the posterior, and an approximate covariance."""
    best = minimize(
        lambda x: [np.asarray(v, np.float64) for v in value_and_slope(x, data)], MEAN, jac=True,
        method="BFGS",
    )  # fmt: skip
    # Expected information by the slopes of all detections' scores.
    each = np.asarray(slopes(best.x, data))
    return best.x, np.linalg.inv(each.T @ each + np.diag(SD**-2.0))


def fixed(data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Log density of cause and delay, and the probability of P, of the fixed numbers."""
    odds = -0.09 + 1.57 * data["magnitude"] - 3.04 * np.log10(data["distance"])
    by_p = 1 / (1 + np.exp(-odds))
    shape = (4.86 / 2.04) ** 2
    log_density = [
        np.where(after > 0, gamma.logpdf(np.maximum(after, 0.05), a, scale=scale), -12.0)
        for after, a, scale in (
            (data["after_p"], 8.65, 0.485), (data["after_s"], shape, 4.86 / shape),
        )
    ]  # fmt: skip
    own = np.where(
        data["by_p"] > 0, np.log(by_p) + log_density[0], np.log1p(-by_p) + log_density[1]
    )
    return np.logaddexp(own, np.log(LEAST)), by_p


def drawn(
    values: np.ndarray, data: dict[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Draws of cause and delay after the phase from the learned model, (detections, draws)."""
    chance = np.exp(np.asarray(joint(values, data)["cause"]))
    middle, shared, own = (np.asarray(x) for x in shaking(data))
    p, s = (
        np.asarray(x)
        for x in trigger_probability(
            response_of(values), middle[:, None] + shared[:, None] * NODES, own[:, None]
        )
    )
    out: dict[str, list] = {"by_p": [], "after": []}
    for row, (mass, one_p, one_s) in enumerate(zip(chance, p, s, strict=True)):
        cell = rng.choice(mass.size, 400, p=mass.ravel() / mass.sum())
        cause, node = np.unravel_index(cell, mass.shape)
        share = np.where(cause == 0, one_p[node], one_p[node] + one_s[node])
        at = data["needed"][row] / (data["active"][row] * share + 1e-6)
        score = special.ndtri(np.clip(at, 0.02, 0.98))
        mean = np.exp(np.where(cause == 0, values[3], values[5]))
        mean = np.maximum(mean + np.logaddexp(0, values[7]) * score, 0.3)
        sd = np.exp(np.where(cause == 0, values[4], values[6]))
        out["by_p"].append(cause == 0)
        out["after"].append(rng.gamma((mean / sd) ** 2, sd**2 / mean))
    return {name: np.array(value) for name, value in out.items()}


def acceleration(
    values: np.ndarray, data: dict[str, np.ndarray], seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the motion before the detection lies in its predictive distribution; errors, log10.

    Given cause and delay of the detection: P has the amplitude of P.
    """
    both = joint(values, data)["both"]
    which = np.where(data["by_p"] > 0, 0, 1)
    weight = np.asarray(jax.nn.softmax(both[np.arange(len(which)), which], axis=1))
    middle, shared, own = (np.asarray(x) for x in shaking(data))
    level = middle[:, None] + shared[:, None] * NODES + (which == 0)[:, None] * values[2]
    score = (np.log10(seen)[:, None] - level) / own[:, None]
    return np.sum(weight * special.ndtr(score), axis=1), np.log10(seen) - np.sum(
        weight * level, axis=1
    )


def covered(label: str, position: np.ndarray) -> list[Record]:
    """Shares of values below their predicted quantiles."""
    out = []
    for level in LEVELS:
        below, count = int((position <= level).sum()), len(position)
        out.append(
            record(f"{label} below the predicted {level:g} quantile", below / count, unit="%",
                   interval=binomial_interval(below, count, probability=0.95), target=level,
                   data_sets=count)
        )  # fmt: skip
    return out


def records_of(table: pd.DataFrame) -> list[Record]:
    """Posterior predictive checks over five folds, and log scores."""
    table = table[np.isfinite(table["triggerdelay_wrt_P"]) & np.isfinite(table["active"])]
    with jax.enable_x64(True):
        return _records(table, columns(table))


def _records(table: pd.DataFrame, data: dict[str, np.ndarray]) -> list[Record]:
    rng = np.random.default_rng(0)
    count = len(table)
    fold = rng.permutation(count) % FOLDS
    score, by_p = np.zeros(count), np.zeros(count)
    position, acc, error = np.zeros(count), np.full(count, np.nan), np.full(count, np.nan)
    seen = table["sm_strongest_motion"].to_numpy()
    near = (seen > 0) & (seen < MOST) & (table["sm_sep_eqn_sta"].to_numpy() <= 5)
    for one in range(FOLDS):
        train, test = (
            {name: value[rows] for name, value in data.items()}
            for rows in (fold != one, fold == one)
        )
        values, _ = learned(train)
        both = joint(values, test)
        score[fold == one] = scores(values, test)
        by_p[fold == one] = np.exp(both["cause"]).sum(axis=2)[:, 0]
        draws = drawn(values, test, rng)
        own = draws["by_p"] == (test["by_p"] > 0)[:, None]
        after = np.where(test["by_p"] > 0, test["after_p"], test["after_s"])
        # Of the draws with the cause that was seen.
        below = np.sum(own & (draws["after"] <= after[:, None]), axis=1)
        position[fold == one] = below / np.maximum(own.sum(axis=1), 1)
        rows = np.flatnonzero((fold == one) & near)
        some = {name: value[rows] for name, value in data.items()}
        acc[rows], error[rows] = acceleration(values, some, seen[rows])
    reference, of_fixed = fixed(data)
    values, covariance = learned(data)
    sd = np.sqrt(np.diag(covariance))
    ahead = score - reference
    middle, spread = ahead.mean(), 1.96 * ahead.std() / np.sqrt(count)
    truth = data["by_p"]
    records = [
        record("log score of the learned model, cause and delay", score.mean(), data_sets=count),
        record("log score of the fixed numbers, cause and delay", reference.mean()),
        record("learned ahead of fixed", middle, interval=(middle - spread, middle + spread)),
    ]
    for name, chance in (("learned", by_p), ("fixed", of_fixed)):
        own = np.log(np.where(truth > 0, chance, 1 - chance) + LEAST)
        records.append(record(f"log score of the cause, {name}", own.mean(), data_sets=count))
    inside, used, worst = 0, 0, 0.0
    number = np.clip((by_p * 10).astype(int), 0, 9)
    for which in range(10):
        rows = number == which
        if rows.sum() < 10:
            continue
        low, high = binomial_interval(int(truth[rows].sum()), int(rows.sum()), probability=0.95)
        used, inside = used + 1, inside + int(low <= by_p[rows].mean() <= high)
        worst = max(worst, abs(truth[rows].mean() - by_p[rows].mean()))
    records += [
        record("caused by P: bins whose 95 % interval holds the prediction", inside,
               bounds=(used, None), data_sets=count),
        record("caused by P: largest departure of a bin", worst, unit="%"),
        record("caused by P: predicted less observed share", by_p.mean() - truth.mean(), unit="%"),
    ]  # fmt: skip
    for name, rows in (("P", truth > 0), ("S", truth == 0)):
        records += covered(f"delays after {name}", position[rows])
        some = rows & np.isfinite(acc)
        records += covered(f"motion at the first phones, {name}", acc[some])
        records.append(
            record(f"motion at the first phones, {name}: observed by predicted, median factor",
                   float(10 ** np.median(error[some])), data_sets=int(some.sum()))
        )  # fmt: skip
    low, high = 10 ** (values[0] + np.array([-1.645, 1.645]) * sd[0])
    return [
        *records,
        record("learned threshold of phones", 10 ** values[0], interval=(low, high), level=0.9,
               unit="m/s²"),
        record("learned amplitude of P, of the strongest motion", 10 ** values[2]),
        record("able share: standard deviation (logit), posterior by prior", sd[1] / SD[1]),
        record("correlation of log threshold and able share",
               covariance[0, 1] / (sd[0] * sd[1])),
        record("correlation of log threshold and amplitude of P",
               covariance[0, 2] / (sd[0] * sd[2])),
    ]  # fmt: skip
