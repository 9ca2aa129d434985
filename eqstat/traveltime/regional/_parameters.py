"""The numbers of the regional error model: names, units, ranges, weak priors, JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from eqstat._core.checks import check_range, is_traced
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained

Number = float | Float[Array, ""]
_FORMAT = "eqstat regional error 2"


@dataclass(frozen=True)
class Field:
    """How one number is learned: its scale, the centre and width of its weak prior there."""

    name: str
    scale: Literal["log", "logit"]
    centre: float
    width: float

    def to_free(self, value: float) -> float:
        """Place on the whole real line."""
        return float(np.log(value) if self.scale == "log" else np.log(value / (1 - value)))

    def from_free(self, free: Array) -> Array:
        """Go back to natural units."""
        return jnp.exp(free) if self.scale == "log" else jax.nn.sigmoid(free)


FIELDS = (
    Field("crust_p_velocity_km_s", "log", 6.2, 0.04),
    Field("mantle_p_velocity_km_s", "log", 8.1, 0.03),
    Field("crust_s_velocity_km_s", "log", 3.6, 0.04),
    Field("mantle_s_velocity_km_s", "log", 4.6, 0.03),
    Field("moho_depth_km", "log", 40.0, 0.15),
    Field("p_crossover_km", "log", 200.0, 0.2),
    Field("p_crossover_width_km", "log", 20.0, 0.5),
    Field("p_mantle_share", "logit", 0.88, 1.0),
    Field("s_crossover_km", "log", 240.0, 0.2),
    Field("s_crossover_width_km", "log", 30.0, 0.5),
    Field("s_mantle_share", "logit", 0.73, 1.0),
    Field("near_slowness_sd_s_100km", "log", 0.2, 1.0),
    Field("near_azimuthal_sd_s_100km", "log", 0.4, 1.0),
    Field("far_slowness_sd_s_100km", "log", 0.2, 1.0),
    Field("far_azimuthal_sd_s_100km", "log", 0.3, 1.0),
    Field("mantle_delay_sd_s", "log", 0.5, 1.0),
    Field("azimuthal_roughness", "logit", 0.5, 1.0),
    Field("s_error_ratio", "log", 1.7, 0.3),
    Field("p_s_correlation", "logit", 0.73, 1.0),
    Field("s_delay_sd_s", "log", 0.5, 1.0),
    Field("poor_event_probability", "logit", 0.18, 1.0),
    Field("poor_event_excess", "log", 2.0, 0.4),
    Field("crust_p_scatter_s", "log", 0.3, 1.0),
    Field("mantle_p_scatter_s", "log", 0.4, 1.0),
    Field("crust_s_scatter_s", "log", 0.6, 1.0),
    Field("mantle_s_scatter_s", "log", 0.8, 1.0),
    Field("p_scatter_growth_per_100km", "log", 0.2, 1.0),
    Field("s_scatter_growth_per_100km", "log", 0.2, 1.0),
    Field("student_degrees_of_freedom", "log", 4.0, 0.5),
    Field("wrong_phase_probability", "logit", 0.018, 1.0),
    Field("outlier_probability", "logit", 0.018, 1.0),
)
# Learned apart, from where catalogued epicentres fall; without any, a posterior is left alone.
TAILS = ("tail_content", "tail_picks")
CENTRES = np.array([field.to_free(field.centre) for field in FIELDS])
WIDTHS = np.array([field.width for field in FIELDS])


class RegionalError(Explained, eqx.Module):
    """A two-branch crust and the errors of times about it, for one region.

    Every number is positive; probabilities, shares and the correlation lie in (0, 1). The
    defaults are the centres of the weak priors, **not** a learned model: see `learn`.

    Attributes
    ----------
    crust_p_velocity_km_s, mantle_p_velocity_km_s
        Velocity of the direct (guided) P wave of the crust and of the P wave under the Moho.
    crust_s_velocity_km_s, mantle_s_velocity_km_s
        The same of S; the guided S wave is Lg at distance.
    moho_depth_km
        Thickness of the crust, which delays the mantle waves.
    p_crossover_km, p_crossover_width_km, p_mantle_share
        Probability that a pick labelled P is the mantle branch, a logistic curve of distance:
        where it is half of its limit, how fast it climbs, and the limit.
    s_crossover_km, s_crossover_width_km, s_mantle_share
        The same of S.
    near_slowness_sd_s_100km, far_slowness_sd_s_100km
        Standard deviation between events of the slowness over the first 150 km and beyond,
        equal for all azimuths, in s per 100 km, for P.
    near_azimuthal_sd_s_100km, far_azimuthal_sd_s_100km
        The same of the part that changes with azimuth.
    mantle_delay_sd_s
        Standard deviation between events of the delay of the mantle waves.
    azimuthal_roughness
        Share that each azimuthal order has of the one before: near 0 only sides differ.
    s_error_ratio, p_s_correlation
        Coherent error of S over that of P, and their correlation.
    s_delay_sd_s
        Standard deviation of an offset common to all S picks of an event.
    poor_event_probability, poor_event_excess
        Probability that the coherent errors of an event are `1 + excess` times as large (and the
        independent ones by the root of that).
    crust_p_scatter_s, mantle_p_scatter_s, crust_s_scatter_s, mantle_s_scatter_s
        Scale of the independent error at distance zero, for each branch.
    p_scatter_growth_per_100km, s_scatter_growth_per_100km
        Relative growth of these scales in 100 km.
    student_degrees_of_freedom
        Tails of the independent error.
    wrong_phase_probability, outlier_probability
        Probability that the label is wrong, and that the time has nothing to do with the event.
    tail_content, tail_picks
        Of events that were located without their help: content of the smallest region that holds
        the catalogued epicentre, in [0, 1], and number of picks. `locate` derives from them by how
        much, and with which tails, epicentres scatter about their posteriors.

    Raises
    ------
    InputError
        When a number is out of its range (values inside a JAX transformation are not checked).

    Examples
    --------
    >>> RegionalError(moho_depth_km=38.0).moho_depth_km
    38.0
    """

    crust_p_velocity_km_s: Number = 6.2
    mantle_p_velocity_km_s: Number = 8.1
    crust_s_velocity_km_s: Number = 3.6
    mantle_s_velocity_km_s: Number = 4.6
    moho_depth_km: Number = 40.0
    p_crossover_km: Number = 200.0
    p_crossover_width_km: Number = 20.0
    p_mantle_share: Number = 0.88
    s_crossover_km: Number = 240.0
    s_crossover_width_km: Number = 30.0
    s_mantle_share: Number = 0.73
    near_slowness_sd_s_100km: Number = 0.2
    near_azimuthal_sd_s_100km: Number = 0.4
    far_slowness_sd_s_100km: Number = 0.2
    far_azimuthal_sd_s_100km: Number = 0.3
    mantle_delay_sd_s: Number = 0.5
    azimuthal_roughness: Number = 0.5
    s_error_ratio: Number = 1.7
    p_s_correlation: Number = 0.73
    s_delay_sd_s: Number = 0.5
    poor_event_probability: Number = 0.18
    poor_event_excess: Number = 2.0
    crust_p_scatter_s: Number = 0.3
    mantle_p_scatter_s: Number = 0.4
    crust_s_scatter_s: Number = 0.6
    mantle_s_scatter_s: Number = 0.8
    p_scatter_growth_per_100km: Number = 0.2
    s_scatter_growth_per_100km: Number = 0.2
    student_degrees_of_freedom: Number = 4.0
    wrong_phase_probability: Number = 0.018
    outlier_probability: Number = 0.018
    tail_content: tuple[float, ...] = eqx.field(static=True, default=())
    tail_picks: tuple[int, ...] = eqx.field(static=True, default=())

    def __check_init__(self) -> None:
        """Refuse numbers out of range, where their values are known."""
        if len(self.tail_content) != len(self.tail_picks):
            raise InputError("RegionalError: tail_content and tail_picks must be of one length")
        check_range("RegionalError", 0, 1, tail_content=np.array(self.tail_content))
        check_range("RegionalError", 1, tail_picks=np.array(self.tail_picks))
        for field in FIELDS:
            top = 1.0 if field.scale == "logit" else np.inf
            value = {field.name: getattr(self, field.name)}
            check_range("RegionalError", 0, top, ends="()", **value)
        for wave in ("p", "s"):
            slow = getattr(self, f"crust_{wave}_velocity_km_s")
            fast = getattr(self, f"mantle_{wave}_velocity_km_s")
            if not is_traced((slow, fast)) and np.any(np.asarray(fast) <= np.asarray(slow)):
                raise InputError(
                    f"mantle_{wave}_velocity_km_s must exceed crust_{wave}_velocity_km_s, "
                    f"got {fast} and {slow}"
                )

    def to_free(self) -> np.ndarray:
        """Return the numbers (but the tails) on the real line, in the order of the fields."""
        return np.array([field.to_free(float(getattr(self, field.name))) for field in FIELDS])

    @classmethod
    def from_free(cls, free: Array) -> RegionalError:
        """Make a model, without tails, from numbers on the real line; pure JAX."""
        numbers: dict[str, Any] = {f.name: f.from_free(free[i]) for i, f in enumerate(FIELDS)}
        return cls(**numbers)

    def without_tails(self) -> RegionalError:
        """Return the numbers of the travel times alone."""
        return replace(self, tail_content=(), tail_picks=())

    def to_json(self, path: str | Path | None = None) -> str:
        """Write the numbers as JSON, to a file too where `path` is given."""
        numbers = {field.name: float(getattr(self, field.name)) for field in FIELDS}
        numbers |= {name: list(getattr(self, name)) for name in TAILS}
        text = json.dumps({"format": _FORMAT, **numbers}, indent=2)
        if path is not None:
            Path(path).write_text(text + "\n", encoding="utf-8")
        return text

    @classmethod
    def from_json(cls, source: str | Path) -> RegionalError:
        """Read what `to_json` wrote: a `Path` to a file, or the text itself.

        Raises
        ------
        InputError
            When the text is not JSON, or a number is missing, unknown or out of range.
        """
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            numbers = dict(json.loads(text))
        except (ValueError, TypeError) as error:
            raise InputError(f"regional error: not a JSON object ({error})") from error
        if numbers.pop("format", None) != _FORMAT:
            raise InputError(
                f"regional error: `format` must be {_FORMAT!r}; learn earlier models anew"
            )
        names = {*TAILS, *(field.name for field in FIELDS)}
        if wrong := sorted(names ^ set(numbers)):
            raise InputError(f"regional error: missing or unknown: {', '.join(wrong)}")
        content, picks = (numbers.pop(name) for name in TAILS)
        return cls(
            **{name: float(value) for name, value in numbers.items()},
            tail_content=tuple(float(value) for value in content),
            tail_picks=tuple(int(value) for value in picks),
        )
