"""Background of a sensor: its noise, and how often other than earthquakes move it.

`init` and `step` learn both online for thousands of sensors, in states of fixed size: the noise
floor, which shaking does not raise, and the number of false exceedances an hour of each of some
levels. `threshold` gives the level for a set number of false exceedances an hour, and `fit_prior`
what a fleet says of a new sensor. `eqstat.service.agent.ThresholdLearner` is for one sensor with
the memory of a week: it extrapolates the tail and knows the hours of the day.
"""

from eqstat._core import namespace

__getattr__, __dir__, __all__ = namespace.attach(__name__, __file__)
