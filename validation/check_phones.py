"""The Borrego Springs earthquake of 2016 from 184 phone triggers, none selected by hand.

Run with EQSTAT_DATA at a folder that holds the MyShake triggers (see `eqstat.datasets`):
python validation/check_phones.py. Prints the answer of each likelihood and velocity model
beside the catalogue's; the log evidence compares the velocity models.
"""

from __future__ import annotations

from eqstat import datasets, geodesy, traveltime
from eqstat.velocity import ConstantVelocity, VelocityModel, layered, load_velocity

# Hadley and Kanamori (1977), southern California; Vp/Vs of 1.73.
SOUTHERN_CALIFORNIA = ([0.0, 5.5, 16.0, 32.0], [5.5, 6.3, 6.7, 7.8])


def main() -> None:
    """Locate and print."""
    triggers, truth = datasets.load_myshake()
    models: dict[str, VelocityModel] = {
        "constant 6.1, 3.55": ConstantVelocity(6.1, 3.55),
        "southern California": layered(*SOUTHERN_CALIFORNIA),
        "iasp91": load_velocity("iasp91"),
    }
    runs = [(name, "mixture") for name in models] + [("constant 6.1, 3.55", "gaussian")]
    for name, likelihood in runs:
        observations = traveltime.prepare(triggers, velocity=models[name])
        if likelihood == "gaussian":
            found = traveltime.fit(observations, throw=False)
            evidence = "-"
        else:
            found = traveltime.grid(observations, likelihood=likelihood)
            evidence = f"{found.log_evidence:.1f}"
        at = traveltime.report(observations, found)
        error = geodesy.great_circle_distance(
            truth["latitude"], truth["longitude"], at.latitude, at.longitude
        )
        late = (at.origin_time - truth["time"]).total_seconds()
        inside = at.region.contains(truth["latitude"], truth["longitude"])
        print(
            f"{likelihood:8s} {name:20s} error {float(error):6.1f} km, depth {at.depth_km:5.1f} km,"
            f" origin {late:+.1f} +- {at.standard_error['origin_time_s']:.1f} s, 90 % region "
            f"{at.region.area_km2:.0f} km2, catalogue epicentre inside: {inside}, "
            f"log evidence {evidence}, {len(observations.triggers)} triggers, {at.result}"
        )


if __name__ == "__main__":
    main()
