# %% [markdown]
# # From sensors to a scorer beside them
#
# Five low-cost sensors of a street send a pre-warning when their shaking exceeds a threshold. A
# service in the cloud and a small computer beside them shall give the same answers: is it an
# earthquake? This page makes the scorer, measures it on simulated years, writes it to a file with
# what was measured, and reads the file where only NumPy is installed.

# %%
import tempfile
from pathlib import Path

import numpy as np

from eqstat import edge, realtime
from eqstat.counts.coincidence import Sensors

FRAME_S, YEAR_S = 2.0, 8766 * 3600.0
rng = np.random.default_rng(3)
true_rate_per_h = np.array([0.2, 0.5, 0.5, 1.0, 3.0])
true_pick = np.array([0.9, 0.85, 0.8, 0.8, 0.6])

# %% [markdown]
# ## Make it
#
# Rates of false pre-warnings and pick probabilities are learned from 60 days and 40 earthquakes.
# The number of sensors that have to pre-warn together follows from a budget of one false alarm a
# year.

# %%
hours = 60 * 24.0
sensors = Sensors.alike(
    5, rate_per_h=0.5, prior_hours=2.0, pick_probability=0.8, prior_picks=5.0
)
sensors = sensors.update(rng.poisson(true_rate_per_h * hours), hours)
sensors = sensors.update_picks(rng.binomial(40, true_pick), 40)
scorer = realtime.CoincidenceScorer.init(
    sensors, frame_s=FRAME_S, earthquakes_per_year=4.0
)
int(scorer.model["required"])

# %% [markdown]
# ## Measure it
#
# Two hundred years of false pre-warnings at the true rates: an alarm begins when a pre-warning
# brings the number of different sensors within the last two seconds to the required one. And 2,000
# earthquakes, each of which a sensor picks with its true probability.

# %%
years, required = 200, int(scorer.model["required"])
number = rng.poisson(true_rate_per_h * years * 8766)
time_s = np.concatenate([rng.uniform(0, years * YEAR_S, n) for n in number])
sensor = np.repeat(np.arange(5), number)
order = np.argsort(time_s)
time_s, sensor = time_s[order], sensor[order]
first = np.searchsorted(time_s, time_s - FRAME_S)
crowded = np.flatnonzero(np.arange(len(time_s)) - first + 1 >= required)
rows, alarms_s = np.zeros((len(crowded), 5), bool), []
for row, last in zip(rows, crowded, strict=True):
    row[sensor[first[last] : last + 1]] = True
    if row.sum() >= required and (
        not alarms_s or time_s[last] > alarms_s[-1] + FRAME_S
    ):
        alarms_s.append(time_s[last])
picked = rng.random((2000, 5)) < true_pick
measured = realtime.measured_calibration(
    false_alarms=len(alarms_s),
    years=years,
    missed=int(np.sum(picked.sum(axis=1) < required)),
    events=len(picked),
    earthquakes="simulated earthquakes",
    data="200 simulated years of pre-warnings at the true rates",
)
print(measured)

# %% [markdown]
# What was measured becomes part of the scorer. Compiled for the sizes that may come, it answers in
# a fraction of a millisecond and never compiles again.

# %%
scorer = realtime.CoincidenceScorer(scorer.model, calibration=measured)
service = realtime.compile(scorer, buckets=(8, 64, 512), progress=False)
print(service)
answer = service.score(picked[:4])
print(np.round(answer.earthquake_probability, 4), answer.margin)

# %% [markdown]
# ## Move it
#
# One file holds the parameters, the card and test vectors. The small computer needs NumPy and the
# file `eqstat/edge.py`; `edge.load` checks every byte and scores the test vectors before it hands
# out the scorer.

# %%
path = Path(tempfile.mkdtemp()) / "street.eqstat"
digest = realtime.export(scorer, path, title="five sensors of a street")
small = edge.load(path)
print(path.stat().st_size, "bytes,", realtime.calibration_of(small.artefact))
small.score(
    [True, False, True, True, False], listening=[True, True, True, True, False]
)

# %% [markdown]
# Both give the same answers on all earthquakes:

# %%
print(
    edge.disagreement(small.score(picked), service.score(picked))
    or "no difference"
)

# %% [markdown]
# A byte that changed on the way is refused:

# %%
content = bytearray(path.read_bytes())
content[len(content) // 2] ^= 1
try:
    edge.load(bytes(content))
except edge.ArtefactError as error:
    print(error)

# %% [markdown]
# What arrives in a service is not always what was promised. There is always an answer, with a
# status:

# %%
for given in ([1, 1, 1, 1], [1, None, 0, 0, 0], "all of them", [np.inf] * 5):
    print(f"{given!s:24.24}", edge.Status(small.score(given).status).name)
