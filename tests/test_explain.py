"""Every public class describes itself: a short text, HTML, a table of its numbers."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import eqstat
from eqstat import detection, inference, traveltime, velocity
from eqstat._core.explain import Explained, explained, fields_of
from eqstat._core.text import lines_of
from eqstat.inference import Fit, Result

MAX_LINES, MAX_LETTERS = 12, 1000
# One file for small computers, NumPy and the standard library only.
ALONE = "eqstat.edge"


def public_classes() -> dict[type, str]:
    """Classes that the packages name, with their first address."""
    found: dict[type, str] = {}
    for module in pkgutil.walk_packages(eqstat.__path__, "eqstat."):
        if any(part.startswith("_") for part in module.name.split(".")):
            continue
        if module.name.startswith("eqstat.cli"):
            continue
        package = importlib.import_module(module.name)
        for name in getattr(package, "__all__", ()) or vars(package):
            value = getattr(package, name)
            own = inspect.isclass(value) and value.__module__.startswith("eqstat")
            if own and not name.startswith("_"):
                found.setdefault(value, f"{module.name}.{name}")
    return found


def is_value(cls: type) -> bool:
    """Whether a class holds values: a dataclass, a Module, a named tuple."""
    return dataclasses.is_dataclass(cls) or hasattr(cls, "_fields")


CLASSES = public_classes()
VALUES = [
    cls
    for cls in CLASSES
    if is_value(cls) and cls.__module__ != ALONE and not inspect.isabstract(cls)
]


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    seconds = np.sort(rng.uniform(0, 60, 90))
    return pd.DataFrame({"time": pd.to_datetime(seconds, unit="s", utc=True),
                         "latitude": rng.normal(46, 0.3, 90), "longitude": rng.normal(7, 0.3, 90),
                         "reason": "outside the window"})  # fmt: skip


# What stands in a field of such an annotation: large arrays, long tables, many names. The first
# pattern that matches counts.
FILLERS: list[tuple[str, Any]] = [
    (r"DataFrame", table()),
    (r"Timestamp|datetime", pd.Timestamp("2027-01-15T08:00:00Z")),
    (r"DataTree|xr\.Dataset|xr\.DataArray", xr.Dataset({"depth_km": ("draw", np.arange(900.0))})),
    (r"Callable", np.sum),
    (r"(Mapping|dict)\[str, (float|Any|object|int)", {f"number_{i}": i / 7 for i in range(60)}),
    (r"Mapping|dict", {f"name_{i}": (i / 7, i / 5) for i in range(60)}),
    (r"(tuple|list|Sequence)\[str", tuple(f"station {i} of the network" for i in range(500))),
    (r"Array|Float|Int|Bool|Number", np.linspace(-1 / 3, 1e7 / 3, 6000).reshape(20, 100, 3)),
    (r"(tuple|list|Sequence)\[", tuple(i / 7 for i in range(500))),
    (r"\bResult\b", Result.NOT_RESOLVED),
    (r"\bstr\b|Name|Literal|Path", "a long sentence about what was done to the data " * 20),
    (r"\bint\b|\bfloat\b", 1e7 / 3),
    (r"\bbool\b", True),
]


def filled(cls: type, **given: Any) -> Any:
    """Put an instance together from its annotations, its checks left out."""
    fields = list(getattr(cls, "_fields", ()))
    hints: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        hints |= {name: str(kind) for name, kind in vars(base).get("__annotations__", {}).items()}
    if not fields:
        fields = [field.name for field in dataclasses.fields(cls)]
    values = {}
    for name in fields:
        match = (value for pattern, value in FILLERS if re.search(pattern, hints[name]))
        values[name] = given[name] if name in given else next(match, object())
    if issubclass(cls, tuple):
        return cls(**values)
    made = object.__new__(cls)
    for name, value in values.items():
        object.__setattr__(made, name, value)
    return made


TRIGGERS = pd.DataFrame(
    {"time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0, np.nan], unit="s", utc=True),
     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0, 46.0],
     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0, 7.0]})  # fmt: skip


@pytest.fixture(scope="module")
def observations() -> traveltime.Observations:
    return traveltime.prepare(TRIGGERS[:6])


def many_names() -> dict[str, Any]:
    names = tuple(f"parameter_{i}_of_a_long_name" for i in range(40))
    return {"names": names, "estimate": np.arange(40.0), "covariance": np.eye(40), "objective": 1.0,
            "result": Result.NOT_RESOLVED, "at_bound": names[:20], "ranges": {}, "profiles": {},
            "labels": {}}  # fmt: skip


def replayed() -> detection.Replay:
    """A replay with five alarms, put together."""
    time = pd.Timestamp("2027-01-15T08:00:00Z")
    found = xr.Dataset(
        {name: 1.0 / 3 for name in
         ("latitude_mean", "longitude_mean", "depth_mean_km", "east_sd_km", "north_sd_km",
          "depth_sd_km", "origin_sd_s", "region_area_km2", "magnitude_mean", "magnitude_sd",
          "magnitude_low", "magnitude_high")} | {"origin_mean_s": 1.8e9},
        attrs={"interval_probability": 0.9, "interval_kind": "highest density"},
    )  # fmt: skip
    found["cause_probability"] = ("cause", np.full(7, 1 / 7))
    found = found.assign_coords(cause=[f"cause number {i}" for i in range(7)])
    alarm = {"time": time, "reason": "because of its evidence " * 4, "probability": 0.99,
             "log_shiryaev_roberts": 9.0, "false_alarm_rate_per_year": 1.0}  # fmt: skip
    history = pd.DataFrame({"time": [time], "probability": [0.5], "ignored": [0]})
    return detection.Replay(
        history, (alarm,) * 5, (found,) * 5, xr.DataArray(0.0), table(), table(), table(), (),
        {"false_alarm_rate_per_year": 1.0, "region_probability": 0.9},
    )  # fmt: skip


# Whoever writes its own text is made as users make it; the other texts come from the fields.
FACTORIES: dict[type, Any] = {
    detection.Replay: lambda _: replayed(),
    traveltime.Classification: traveltime.classify,
    traveltime.GridPosterior: traveltime.grid,
    traveltime.Location: lambda given: traveltime.report(given, traveltime.fit(given, throw=False)),
    traveltime.Observations: lambda given: given,
    traveltime.comparison.Comparison: lambda _: traveltime.comparison.Comparison(
        {
            "gaussian P": -20.0,
            "gaussian S": -25.0,
            "mixture": -22.0,
            "background": -30.0,
            "simultaneous": -28.0,
        },
        0.5,
    ),
}


def writes_its_own(cls: type) -> bool:
    return cls._facts is not Explained._facts


@pytest.mark.slow
@pytest.mark.parametrize("cls", VALUES, ids=CLASSES.get)
def test_a_public_class_describes_its_instances(cls, observations):
    if issubclass(cls, Fit):
        value = filled(cls, **many_names())
    elif writes_its_own(cls):
        assert cls in FACTORIES, f"{CLASSES[cls]} writes its own text: give a factory here"
        value = FACTORIES[cls](observations)
    else:
        value = filled(cls)
    text = repr(value)
    assert text.startswith(cls.__name__ + "\n") or not fields_of(value), text
    assert len(text.splitlines()) <= MAX_LINES, text
    assert len(text) <= MAX_LETTERS, text
    page = ElementTree.fromstring(value._repr_html_())
    shown = ["".join(cell.itertext()) for cell in page.iter("td")]
    assert len(shown) == len(text.splitlines()) - 1
    assert isinstance(value.summary(), pd.DataFrame)


def test_classes_that_hold_no_values_have_a_short_text_too():
    for cls in CLASSES:
        if not is_value(cls) and cls.__repr__ is not object.__repr__:
            assert issubclass(cls, BaseException) or hasattr(cls, "__members__"), cls


def test_the_shell_prints_the_same_lines(observations):
    location = FACTORIES[traveltime.Location](observations)
    assert repr(location).splitlines()[1:] == lines_of(location)
    assert lines_of(location, ("Likelihood", "gaussian: asked for"))[-1].endswith("asked for")


def test_texts_say_what_stands_in_fields():
    class Inner(Explained, eqx.Module):
        depth_km: float = 8.0

    @dataclasses.dataclass(frozen=True)
    class Outer(Explained):
        inner: Inner
        times: np.ndarray
        chances: dict[str, float]
        names: tuple[str, ...] = ()
        hidden: int = dataclasses.field(default=1, repr=False)

    value = Outer(Inner(), np.array([1.0, np.nan, 3.0, 4.0, 5.0]), {"P": 0.25})
    assert repr(value).splitlines() == [
        "Outer",
        "inner           Inner: depth_km 8",
        "times           5: 1 to 5, 1 missing",
        "chances         P 0.25",
        "names           none",
    ]
    summary = value.summary()
    assert list(summary.index) == ["inner.depth_km", "times", "chances.P"]
    assert summary.loc["times"].to_dict() == {
        "size": 5, "missing": 1, "min": 1.0, "median": 3.5, "max": 5.0}  # fmt: skip
    assert Inner().summary().loc["depth_km", "value"] == 8.0


def test_html_escapes_what_users_wrote():
    @dataclasses.dataclass(frozen=True)
    class Named(Explained):
        name: str

    html = Named("<b>a & b")._repr_html_()
    assert "&lt;b&gt;a &amp; b" in html


def test_describing_keeps_equality_pickling_and_trees():
    first = velocity.ConstantVelocity()
    assert jax.tree.structure(first) == jax.tree.structure(velocity.ConstantVelocity())
    assert pickle.loads(pickle.dumps(first)).p_velocity_km_s == first.p_velocity_km_s
    warp = inference.Profile(np.arange(3.0), np.arange(3.0), 2.0)
    assert pickle.loads(pickle.dumps(warp)).degrees_of_freedom == 2.0
    assert isinstance(warp, tuple) and len(jax.tree.leaves(warp)) == 3


def test_traced_values_are_described_by_shape():
    seen = []

    @jax.jit
    def run(module: velocity.ConstantVelocity) -> Any:
        seen.append(repr(module))
        return module.p_velocity_km_s

    run(jax.tree.map(np.float32, velocity.ConstantVelocity()))
    assert "float32 (one)" in seen[0]


def test_a_decorated_tuple_keeps_its_own_summary():
    assert explained(inference.Profile) is inference.Profile


def test_sources_have_one_way_to_describe_themselves():
    folder = Path(eqstat.__file__).parent
    writers = [str(path.relative_to(folder)) for path in folder.rglob("*.py")
               if re.search(r"def (__repr__|_repr_html_)", path.read_text("utf-8"))]  # fmt: skip
    assert writers == ["_core/explain.py"]
