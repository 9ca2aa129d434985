"""Hypocentres as a table of draws, for maps and for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from eqstat.hypocentre._draws import resample

DRAWS = 1000


def write(hypocentre: xr.Dataset, path: Path, probability: float) -> None:
    """Write draws of equal weight as CSV; the probability is not needed."""
    del probability
    draws = resample(hypocentre, DRAWS)
    columns = {
        name: draws[name].to_numpy()
        for name in ("latitude", "longitude", "depth_km", "magnitude")
        if name in draws
    }
    zero: Any = pd.Timestamp(draws.attrs["reference_time"])
    zero = zero.tz_localize("UTC") if zero.tzinfo is None else zero
    after = pd.to_timedelta(np.round(1e3 * draws["origin_time_s"].to_numpy()), unit="ms")
    origin_time = [time.isoformat(timespec="milliseconds") for time in zero + after]
    pd.DataFrame({"origin_time": origin_time, **columns}).to_csv(
        path, index=False, float_format="%.6f"
    )
