# %% [markdown]
# # Is it an earthquake or the washing machine?
#
# A sensor on a wall computes a few numbers of its acceleration each second. Doors, people and
# machines move it, too. From labelled windows a classifier learns how much more probable such
# numbers are in an earthquake: the likelihood ratio. Windows here are simulated, so that the true
# ratio is known; of real records `eqstat.waveform.features` gives such a table.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat import edge, realtime
from eqstat.waveform import background, classifier

FEATURES = ["iqr_m_s2", "cav_m_s", "dominant_period_s"]
SECONDS = 8


def windows_of(seed: int, quakes: int, others: int) -> pd.DataFrame:
    """Eight seconds of each event; half of the variance is the event's own."""
    rng = np.random.default_rng(seed)
    event = np.repeat(np.arange(quakes + others), SECONDS)
    quake = event < quakes
    common = rng.normal(size=(quakes + others, 3))[event]
    logs = np.sqrt(0.5) * (common + rng.normal(size=common.shape))
    logs += np.where(quake[:, None], [0.6, 0.8, 0.3], [-0.6, -0.8, -0.3])
    centre = np.log([0.05, 0.08, 0.2])
    return pd.DataFrame(np.exp(centre + logs), columns=FEATURES).assign(
        is_earthquake=quake,
        event=event,
        second=np.tile(np.arange(1, SECONDS + 1), quakes + others),
    )


def true_log_ratio(table: pd.DataFrame) -> np.ndarray:
    """Log likelihood ratio of a single window."""
    logs = np.log(table[FEATURES]) - np.log([0.05, 0.08, 0.2])
    return np.asarray(logs @ [1.2, 1.6, 0.6])


# %% [markdown]
# ## Train
#
# Earthquakes are rare, so that the table has 60 of them among 600 other events. `group` says which
# windows belong together: they are never on both sides of a split, and count for less than
# independent ones. `sequence` names the seconds, for evidence over time.

# %%
table = windows_of(1, quakes=60, others=600)
windows = classifier.prepare(table, FEATURES, group="event")
trained = classifier.train(
    jax.random.key(0), windows, sequence=("event", "second")
)
print(trained.card)

# %% [markdown]
# ## The ratio does not know how rare earthquakes were
#
# One in eleven windows was of an earthquake. The ratio has nothing of this: it is about the true
# one, and the posterior follows from the odds that you state.

# %%
new = windows_of(2, quakes=400, others=400)
answer = trained.log_ratio(new)
difference = answer["log_ratio"] - true_log_ratio(new)
print(f"median difference from the true log ratio: {difference.median():+.2f}")
for odds in (1.0, 0.01, 1e-4):
    scorer = classifier.scorer(trained, prior_odds=odds)
    ratio = classifier.score(scorer, np.array([[0.15, 0.3, 0.3]]))
    print(
        f"prior odds {odds:g}: log ratio {float(ratio.log_ratio[0]):.2f}, "
        f"probability {float(ratio.probability[0]):.3g}"
    )

# %% [markdown]
# ## A washing machine
#
# Its spin has a period that neither earthquakes nor people gave. The status is `UNFAMILIAR`, and
# the ratio falls back to 1.

# %%
machine = pd.DataFrame([[2.0, 4.0, 0.002]], columns=FEATURES)
spin = trained.log_ratio(machine).iloc[0]
print(
    edge.Status(int(spin["status"])).name,
    f"log ratio {spin['log_ratio']:.2f}, distance {spin['distance']:.1f}",
)

# %% [markdown]
# ## Second by second
#
# Seconds of one event repeat each other. Multiplied as if they did not, their ratios say much more
# than is true: of those that state a probability of error of 1 in 1,000 or less, far more are
# wrong.

# %% mystnb={"image": {"alt": "Share of wrong decisions against the probability of error that is stated, for evidence over time and for the product of single seconds."}}
total = trained.over_time(new, ("event", "second"))["log_ratio"].to_numpy()
product = answer["log_ratio"].groupby(new["event"]).cumsum().to_numpy()
last = (new["second"] == SECONDS).to_numpy()
quake = new["is_earthquake"].to_numpy()
figure, axes = plt.subplots(figsize=(5.0, 3.6), layout="constrained")
edges = np.array([-12.0, -5.0, -3.0, -2.0, -1.0, np.log(0.5)])
for values, label in ((total, "evidence over time"), (product, "product")):
    stated = -np.logaddexp(0.0, np.abs(values[last]))
    wrong = (values[last] > 0) != quake[last]
    bins = np.digitize(stated, edges)
    points = [
        (np.exp(stated[bins == one]).mean(), wrong[bins == one].mean())
        for one in np.unique(bins)
        if np.sum(bins == one) >= 20
    ]
    axes.plot(*zip(*points, strict=True), "o-", label=label)
axes.plot([0, 0.5], [0, 0.5], color="0.6", linewidth=0.8)
axes.set(xlabel="probability of error that is stated", ylabel="share wrong")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## A threshold for each wall
#
# Some walls move more than others. From the largest ratio of each 30 s every sensor learns how often
# it is moved by other than earthquakes, and with it the threshold for two false ones an hour. A
# fleet of 30 sensors says what to expect of a new one; the new one is beside a machine.


# %%
def largest_ratios(seed: int, shift: float, blocks: int) -> np.ndarray:
    """Largest log ratio of each 30 s where motion is stronger by so much."""
    rng = np.random.default_rng(seed)
    logs = rng.normal([shift, shift, 0.0], 1.0, (15 * blocks, 3))
    rows = np.exp(np.log([0.05, 0.08, 0.2]) + logs)
    ratio = np.asarray(classifier.score(scorer, rows).log_ratio)
    return ratio.reshape(blocks, 15).max(axis=1)


hours = 30 / 3600
shifts = np.random.default_rng(4).normal(-2.5, 0.6, 30)
fleet = np.stack(
    [largest_ratios(n, shift, 480) for n, shift in enumerate(shifts)], axis=1
)
weak = background.weak_prior(np.linspace(0.0, 5.0, 26))
unknown = np.full_like(fleet, np.nan)  # the noise is not used
state, _ = background.learn(
    weak, background.init(weak, 30), hours, unknown, fleet
)
prior = background.fit_prior(weak, state)
noisy = largest_ratios(99, -1.5, 2880)[:, None]
_, before = background.learn(
    prior, background.init(prior, 1), hours, np.full_like(noisy, np.nan), noisy
)
learned = background.threshold(prior, before, 2.0)
low, high = learned.interval()
for hour in (0, 1, 4, 23):
    at = 120 * hour
    print(
        f"after {hour} h: threshold {learned.threshold[at, 0]:.2f}, "
        f"{learned.per_hour[at, 0]:.1f} an hour "
        f"({low[at, 0]:.1f} to {high[at, 0]:.1f})"
    )
above = noisy > np.asarray(learned.threshold)
print(f"false in 24 h: {above.sum()}, set: 48")

# %% [markdown]
# The interval is wide at first, and the threshold is near its place after an hour. High levels are
# exceeded so rarely that their share of all exceedances is still the fleet's in large part: beside
# the machine it is smaller, and fewer come than were set.
#
# ## On the sensor
#
# One file holds the classifier for a service (`eqstat.realtime.load`) and for a small computer,
# where `eqstat.edge` needs NumPy alone.

# %%
content = realtime.to_bytes(
    realtime.WaveformScorer.init(trained, prior_odds=1e-4, required_ratio=100),
    title="a wall in a street",
)
sensor = edge.load(content)
state = sensor.start()
rows = new.loc[new["event"] == 0, FEATURES].to_numpy()
for second, row in enumerate(rows, start=1):
    state, said = sensor.step(state, row)
    ratio = said.margin + np.log(100)
    print(f"second {second}: log ratio {ratio:.2f}")
