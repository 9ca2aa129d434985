"""Alarm threshold of the Shiryaev-Roberts statistic."""

from __future__ import annotations

import numpy as np

from eqstat._core.checks import check_range
from eqstat._core.constants import YEAR_S
from eqstat.detection._detector import Detector


def shiryaev_roberts_threshold(
    detector: Detector, *, false_alarm_rate_per_year: float | int = 1.0
) -> float:
    r"""Log threshold of the Shiryaev-Roberts statistic for a nominal rate of false alarms.

    Under the background each likelihood ratio is a martingale of expectation 1 from its start on,
    so the sum $R_n$ over starting times has expectation at most n after n slots. By optional
    stopping the mean time to $R_n \ge A$ is at least A slots, hence

    .. math:: A = \frac{\text{year}}{\text{slot} \cdot \text{false alarm rate}}.

    Parameters
    ----------
    detector
        From `detector`.
    false_alarm_rate_per_year
        False alarms per year that are accepted in this region, above 0.

    Returns
    -------
    float
        $\log A$.

    Raises
    ------
    eqstat.InputError
        When the rate is not positive.

    References
    ----------
    Pollak, M. (1985), Optimal detection of a change in distribution, Annals of Statistics 13,
    206-227, doi:10.1214/aos/1176346587. Shin, J., Ramdas, A. and Rinaldo, A. (2024), E-detectors: a
    nonparametric framework for sequential change detection, New England Journal of Statistics in
    Data Science 2, 229-260, doi:10.51387/23-NEJSDS51.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat.detection import detector
    >>> from eqstat.detection.causes import network_burst
    >>> network = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
    >>> watch = detector(network, causes=(network_burst(),))
    >>> round(shiryaev_roberts_threshold(watch, false_alarm_rate_per_year=1.0), 2)
    17.27
    """
    check_range("", 0, ends="()", false_alarm_rate_per_year=false_alarm_rate_per_year)
    return float(np.log(YEAR_S / (detector.causes[0].slot_s * false_alarm_rate_per_year)))
