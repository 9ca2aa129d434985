"""The Borrego Springs earthquake of 2016 from all 184 phone triggers.

Run with EQSTAT_DATA at a folder that holds the MyShake triggers (see `eqstat.datasets`):
python validation/check_phones.py. Records the error of each likelihood and velocity model
against the catalogue; the log evidence compares the velocity models.
"""

from __future__ import annotations

import jax
from records import Record, record, show

from eqstat import datasets, geodesy, traveltime
from eqstat.velocity import ConstantVelocity, VelocityModel, layered, load_velocity

# Hadley and Kanamori (1977), southern California; Vp/Vs of 1.73.
SOUTHERN_CALIFORNIA = ([0.0, 5.5, 16.0, 32.0], [5.5, 6.3, 6.7, 7.8])


def check() -> list[Record]:
    """Locate with each likelihood and velocity model, and compare with the catalogue."""
    triggers, truth = datasets.load_myshake()
    models: dict[str, VelocityModel] = {
        "constant velocity": ConstantVelocity(6.1, 3.55),
        "southern California": layered(*SOUTHERN_CALIFORNIA),
        "iasp91": load_velocity("iasp91"),
    }
    runs = [(name, "mixture") for name in models] + [("constant velocity", "gaussian")]
    records = []
    for name, likelihood in runs:
        observations = traveltime.prepare(triggers, velocity=models[name])
        label, count = f"{likelihood}, {name}", len(observations.triggers)
        if likelihood == "gaussian":
            result = traveltime.fit(observations, throw=False)
        else:
            result = traveltime.grid(observations, likelihood=likelihood, key=jax.random.key(0))
            evidence = result.log_evidence
            records.append(record(f"{label}: log evidence", evidence, data_sets=count))
        location = traveltime.report(observations, result)
        error_km = geodesy.great_circle_distance(
            truth["latitude"], truth["longitude"], location.latitude, location.longitude
        )
        late_s = (location.origin_time - truth["time"]).total_seconds()
        inside = location.region.contains(truth["latitude"], truth["longitude"])
        for quantity, value, unit in (
            ("epicentral error", float(error_km), "km"),
            ("depth", location.depth_km, "km"),
            ("origin time less the catalogue's", late_s, "s"),
            ("standard error of the origin time", location.standard_error["origin_time_s"], "s"),
            ("area of the 90 % region", location.region.area_km2, "km²"),
            ("90 % region holds the catalogue epicentre (1 yes, 0 no)", int(inside), ""),
        ):
            records.append(record(f"{label}: {quantity}", value, unit=unit, data_sets=count))
        print(f"{label}: {location.result}")
    return show(records)


if __name__ == "__main__":
    check()
