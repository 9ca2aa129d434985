"""Build the travel-time tables of eqstat from the earth models that ObsPy ships.

First P and first S are computed with eqstat's own integration over the ray parameter in ObsPy's
velocity profiles (`*.tvel`), because TauP takes milliseconds a call; then the table as it is
written is compared with fresh calls of TauP (phases p, P, Pn and s, S, Sn; the earliest counts) at
random points, half of them in the crust or near a discontinuity. Above 0.02 s nothing is written.

    python scripts/build_tables.py [--points 4000] [--folder eqstat/velocity/tables]

Takes about two minutes a model. Needs eqstat installed with the extra `seismology`.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import obspy.taup
from numpy.typing import NDArray
from obspy.taup import TauPyModel

from eqstat.geodesy import EARTH_RADIUS_KM
from eqstat.velocity import _tables
from eqstat.velocity._layered import shells
from eqstat.velocity._spline import Axis, basis

log = logging.getLogger("build_tables")

MAX_DEGREES = 10.0
STRETCH_KM = 5.0
TOLERANCE_S = 0.02
JUMPS_KM = (20.0, 35.0, 120.0, 210.0, 410.0, 660.0)
# (start, end, widest cell) in km: fine where branches of rays cross at a large angle, which is in
# the crust and above 410 and 660 km.
DEPTH_PIECES = (
    (0.0, 20.0, 0.62),
    (20.0, 35.0, 0.56),
    (35.0, 60.0, 1.5),
    (60.0, 120.0, 6.0),
    (120.0, 210.0, 15.0),
    (210.0, 340.0, 14.0),
    (340.0, 385.0, 3.0),
    (385.0, 410.0, 1.25),
    (410.0, 565.0, 15.0),
    (565.0, 630.0, 3.0),
    (630.0, 660.0, 1.25),
    (660.0, 700.0, 8.0),
)
NEAR_KM, NEAR_CELL_KM, FAR_CELL_KM = 250.0, 2.0, 6.0


def profile(name: str) -> NDArray[np.float64]:
    """Depth, P and S velocity of a model of ObsPy."""
    path = Path(obspy.taup.__file__).parent / "data" / f"{name}.tvel"
    return np.loadtxt(path, skiprows=2, usecols=(0, 1, 2))


def build(name: str) -> _tables.Table:
    """Compute the table of a model."""
    depth, p, s = profile(name).T
    chord = 2.0 * EARTH_RADIUS_KM * np.sin(0.5 * np.radians(MAX_DEGREES))
    end = float(np.hypot(chord, STRETCH_KM)) - STRETCH_KM
    distance_axis = Axis.of([(0.0, NEAR_KM, NEAR_CELL_KM), (NEAR_KM, end, FAR_CELL_KM)])
    depth_axis = Axis.of(DEPTH_PIECES, JUMPS_KM)
    earth = [shells(depth, v, 1300.0) for v in (p, s)]
    return _tables.build(
        earth[0], earth[1], (float(p[0]), float(s[0])), depth_axis, distance_axis, STRETCH_KM
    )


def evaluate(table: _tables.Table, depth: float, degrees: float) -> NDArray[np.float64]:
    """P and S time of a table, straight from its splines."""
    chord = 2.0 * EARTH_RADIUS_KM * np.sin(0.5 * np.radians(degrees))
    x = np.hypot(chord, table.stretch_km) - table.stretch_km
    row = basis(table.depth_axis, np.array([depth]))[0]
    column = basis(table.distance_axis, np.array([x]))[0]
    straight = np.sqrt(depth**2 + (1.0 - depth / EARTH_RADIUS_KM) * chord**2)
    rest = np.tensordot(row, table.coefficients, axes=1) @ column
    return straight / np.array(table.surface_km_s) + rest


def random_points(count: int) -> NDArray[np.float64]:
    """Depth (km) and distance (degrees): everywhere, in the crust, and near the jumps."""
    rng = np.random.default_rng(20)
    depths_per_kind = count // 40  # ten distances at each depth: TauP's cost is per depth
    depth = np.concatenate(
        [
            rng.uniform(0.0, 700.0, 2 * depths_per_kind),
            rng.uniform(0.0, 40.0, depths_per_kind),
            np.abs(
                rng.choice((0.0, *JUMPS_KM), depths_per_kind)
                - rng.exponential(2.0, depths_per_kind)
            ),
        ]
    )
    degrees = rng.uniform(0.0, MAX_DEGREES, (depth.size, 10))
    crust = depth < 60.0
    degrees[crust] *= rng.choice((0.05, 0.15, 0.3, 1.0), (int(crust.sum()), 10))
    return np.stack([np.repeat(depth, 10), degrees.ravel()], axis=1)


def first_of_taup(model: TauPyModel, depth: float, degrees: float) -> list[float]:
    """First P and first S of TauP, in seconds."""
    return [
        min(a.time for a in model.get_travel_times(depth, degrees, phase_list=phases))
        for phases in (["p", "P", "Pn"], ["s", "S", "Sn"])
    ]


def check(name: str, table: _tables.Table, points: int) -> NDArray[np.float64]:
    """Largest error of P and S against TauP, in seconds."""
    model = TauPyModel(name)
    errors = []
    for depth, degrees in random_points(points):
        errors.append(
            np.abs(evaluate(table, depth, degrees) - first_of_taup(model, depth, degrees))
        )
    return np.array(errors).max(axis=0)


def freeze(path: Path) -> None:
    """Write the reference times of the tests: a hundred points of TauP for each model."""
    lines = ["model,depth_km,distance_deg,p_s,s_s"]
    for name in ("ak135", "iasp91"):
        model = TauPyModel(name)
        for depth, degrees in np.round(random_points(1000)[3::10], 4):
            p, s = first_of_taup(model, depth, degrees)
            lines.append(f"{name},{depth:.4f},{degrees:.4f},{p:.4f},{s:.4f}")
    path.write_text("\n".join(lines) + "\n")


def main() -> None:
    """Build, check and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=4000, help="calls of TauP for each phase")
    parser.add_argument("--folder", type=Path, default=Path("eqstat/velocity/tables"))
    parser.add_argument("--reference", type=Path, help="only write reference times to this file")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.reference:
        freeze(options.reference)
        return
    for name in ("ak135", "iasp91"):
        table = build(name)
        with tempfile.TemporaryDirectory() as folder:
            trial = Path(folder) / f"{name}.npz"
            _tables.write(trial, table)
            with trial.open("rb") as stream:
                written = _tables.read(stream)
            error = check(name, written, options.points)
            log.info("%s: largest error P %.4f s, S %.4f s", name, *error)
            if not np.all(error < TOLERANCE_S):
                raise SystemExit(f"{name}: error above {TOLERANCE_S} s, nothing written")
            target = options.folder / trial.name
            target.write_bytes(trial.read_bytes())
        log.info("%s: %s cells, %d bytes", name, table.coefficients.shape, target.stat().st_size)


if __name__ == "__main__":
    main()
