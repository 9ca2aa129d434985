# %% [markdown]
# # A threshold that a sensor learns
#
# The agent beside a sensor is set to a number of false pre-warnings an hour; the threshold follows
# from the sensor's own record. Here the record is drawn: three days of maxima of a statistic in
# blocks of 30 s, quiet at night, with people by day, and a machine that is switched on on the
# third day.

# %%
import matplotlib.pyplot as plt
import numpy as np

from eqstat.service.agent import ThresholdLearner

SET_PER_HOUR = 2.0
rng = np.random.default_rng(5)
time_s = 30.0 * np.arange(3 * 2880)
hour = time_s / 3600
by_day = (hour % 24 > 7) & (hour % 24 < 21)
maxima = rng.gumbel(1.5, 0.2, len(time_s))
maxima += np.where(rng.random(len(time_s)) < np.where(by_day, 0.2, 0.02),
                   rng.exponential(0.6, len(time_s)), 0.0)  # fmt: skip
maxima += 0.4 * (hour > 56)

# %% [markdown]
# ## Learn
#
# Each block is judged by the threshold that was learned before it.

# %%
learner = ThresholdLearner(SET_PER_HOUR)
threshold, above = np.zeros(len(time_s)), np.zeros(len(time_s), bool)
for number, (t, maximum) in enumerate(zip(time_s, maxima, strict=True)):
    threshold[number] = learner.threshold(t)
    above[number] = learner.add(t, maximum)
print(
    f"false pre-warnings an hour: {above.sum() / hour[-1]:.2f}, set "
    f"{SET_PER_HOUR}"
)
print(learner.rate(time_s[-1]))

# %% [markdown]
# The threshold is higher by day. After the machine is switched on there are too many for some
# hours, until the feedback has raised it.

# %% mystnb={"image": {"alt": "Maxima of a sensor's statistic over three days with the learned threshold, higher by day; below, cumulated false pre-warnings beside the number that was set."}}
figure, (upper, lower) = plt.subplots(
    2, 1, figsize=(9, 6), sharex=True, layout="constrained"
)
upper.plot(
    hour, maxima, ".", markersize=1, color="0.7", label="maximum of a block"
)
upper.plot(hour, threshold, color="#d94801", label="threshold")
upper.set(ylabel="log of the power ratio", ylim=(1, 5.5))
upper.legend(frameon=False, fontsize=8, loc="upper left")
lower.plot(hour, np.cumsum(above), color="#d94801", label="realised")
lower.plot(hour, SET_PER_HOUR * hour, "--", color="0.4", label="set")
lower.set(xlabel="hours", ylabel="false pre-warnings")
lower.legend(frameon=False, fontsize=8)
plt.show()
