"""Configuration of an agent: a TOML file, read strictly."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eqstat._core.checks import check_choice, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.service._protocol._topics import NAME, ROOT, check_root
from eqstat.service._toml import read_toml, table
from eqstat.service.agent._detector import DetectorSettings
from eqstat.service.agent._threshold import ThresholdLearner

KINDS = ("shake", "openeew", "seedlink")


@dataclass(frozen=True)
class Sensor(Explained):
    """`[sensor]`: name of this sensor and where it stands.

    Attributes
    ----------
    name
        1 to 64 letters, digits and `_.:-`.
    latitude, longitude, elevation_m
        Degrees and metres; NaN where they are not given.

    Examples
    --------
    See `read_agent_config`.
    """

    name: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


@dataclass(frozen=True)
class Input(Explained):
    """`[input]`: where packets come from.

    Attributes
    ----------
    kind
        `shake` (datagrams), `openeew` (JSON) or `seedlink`.
    listen
        Address and port of datagrams.
    file
        File to replay, `-` for standard input; instead of a live input.
    speed
        Of a replay: 1 as it was recorded, 0 as fast as possible.
    device
        Device to listen to: an OpenEEW sensor on the broker, or the one of a file with several.
    server, station, selector
        Of SeedLink, such as `localhost:18000`, `AM_R1234`, `EH?`.
    channels
        Channels to use; all by default.
    full_scale
        Samples at or beyond this are clipped.
    unit_m_s2
        Size of the sensor's unit of acceleration, m/s2 (Gal: 0.01); 0 where it is not known.

    Examples
    --------
    See `read_agent_config`.
    """

    kind: str = "shake"
    listen: str = "0.0.0.0:8888"
    file: str = ""
    speed: float = 1.0
    device: str = ""
    server: str = "localhost:18000"
    station: str = ""
    selector: str = "EH?"
    channels: list[str] = field(default_factory=list)
    full_scale: float = 8_388_607.0
    unit_m_s2: float = 0.0


@dataclass(frozen=True)
class PreWarnings(Explained):
    """`[prewarning]`: rate of false pre-warnings, shape of motion, and record of the threshold.

    Examples
    --------
    See `read_agent_config`.
    """

    false_per_hour: float = 0.5
    start: float = 4.0
    dead_time_s: float = 30.0
    duration_s: float = 0.5
    window_s: float = 1.0
    decay: float = 30.0
    low_hz: float = 1.0
    high_hz: float = 15.0
    record: str = ""
    most_hours: float = 168.0


@dataclass(frozen=True)
class Neighbours(Explained):
    """`[coincidence]`: scorer of coincidences, its sensors in their order, and its frame.

    Examples
    --------
    See `read_agent_config`.
    """

    artefact: str
    sensors: list[str]
    frame_s: float
    quiet_s: float = 60.0
    keep_alive_s: float = 30.0


@dataclass(frozen=True)
class AgentBroker(Explained):
    """`[broker]`: broker of MQTT, credentials and topics.

    Examples
    --------
    See `read_agent_config`.
    """

    host: str
    port: int = 1883
    root: str = ROOT
    client: str = ""
    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


@dataclass(frozen=True)
class AgentConfig(Explained):
    """Configuration of an agent; see `read_agent_config`.

    Attributes
    ----------
    sensor, input, prewarning
        Tables of the file.
    coincidence, broker
        The same; None where they are not in the file.
    base
        Folder that paths in the file are relative to.

    Examples
    --------
    See `read_agent_config`.
    """

    sensor: Sensor
    input: Input = Input()
    prewarning: PreWarnings = PreWarnings()
    coincidence: Neighbours | None = None
    broker: AgentBroker | None = None
    base: Path = Path()

    def path(self, name: str) -> Path:
        """Path of a file that the configuration names."""
        return self.base / name

    def learner(self) -> ThresholdLearner:
        """Make the learner of the threshold."""
        own = self.prewarning
        return ThresholdLearner(
            own.false_per_hour,
            block_s=own.dead_time_s,
            start=own.start,
            most_hours=own.most_hours,
        )

    def settings(self) -> DetectorSettings:
        """Make the settings of the detector."""
        names = ("duration_s", "window_s", "decay", "low_hz", "high_hz")
        own = {name: getattr(self.prewarning, name) for name in names}
        return DetectorSettings(**own, full_scale=self.input.full_scale)


TABLES: dict[str, Any] = {
    "sensor": Sensor,
    "input": Input,
    "prewarning": PreWarnings,
    "coincidence": Neighbours,
    "broker": AgentBroker,
}


def read_agent_config(path: str | Path) -> AgentConfig:
    r"""Read the configuration of an agent.

    Parameters
    ----------
    path
        A TOML file with `[sensor]` and, where wanted, `[input]`, `[prewarning]`, `[coincidence]`
        and `[broker]`. Paths in it are relative to its folder.

    Returns
    -------
    AgentConfig

    Raises
    ------
    eqstat.InputError
        When the file is no TOML, or has a key that is not known or a value that cannot be.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "agent.toml"
    >>> _ = path.write_text('sensor.name = "roof"')
    >>> read_agent_config(path).input.listen
    '0.0.0.0:8888'
    >>> _ = path.write_text('sensor.name = "roof"\nprewarning.false_per_day = 3')
    >>> read_agent_config(path)
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: agent.toml: [prewarning] has no key 'false_per_day'; it has ...
    """
    path = Path(path)
    content = read_toml(path)
    try:
        unknown = set(content) - set(TABLES)
        if unknown:
            raise InputError(f"no table [{min(unknown)}]; there are {', '.join(TABLES)}")
        if "sensor" not in content:
            raise InputError("needs a table [sensor]")
        tables = {name: table(f"[{name}]", TABLES[name], own) for name, own in content.items()}
        config = AgentConfig(base=path.parent, **tables)
        _check(config)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    return config


def address(text: str, what: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise InputError(f"{what} must be HOST:PORT, such as 0.0.0.0:8888, not {text!r:.60}")
    return host, int(port)


def _check(config: AgentConfig) -> None:
    sensor, source = config.sensor, config.input
    if not NAME.fullmatch(sensor.name):
        raise InputError(f"[sensor] name {sensor.name!r:.80} must be letters, digits and _.:- only")
    for name, (low, high) in {
        "latitude": (-90, 90), "longitude": (-180, 360), "elevation_m": (-12_000, 10_000),
    }.items():  # fmt: skip
        if not math.isnan(getattr(sensor, name)):
            check_range("[sensor]", low, high, **{name: getattr(sensor, name)})
    check_choice("[input]", KINDS, kind=source.kind)
    check_range("[input]", 0, 1000, speed=source.speed)
    check_range("[input]", 0, 1e6, unit_m_s2=source.unit_m_s2)
    address(source.listen, "[input] listen")
    address(source.server, "[input] server")
    if source.kind == "openeew" and not source.file and not (config.broker and source.device):
        raise InputError("[input] openeew needs a file, or [broker] and the device to listen to")
    if source.kind == "seedlink" and not source.station:
        raise InputError("[input] seedlink needs station, such as AM_R1234")
    try:
        config.learner()
        config.settings()
    except InputError as error:
        raise InputError(f"[prewarning] {error}") from None
    if config.broker is not None:
        check_root(config.broker.root)
        check_range("[broker]", 1, 65535, port=config.broker.port)
    _check_neighbours(config)


def _check_neighbours(config: AgentConfig) -> None:
    own = config.coincidence
    if own is None:
        return
    if len(set(own.sensors)) < len(own.sensors) or config.sensor.name not in own.sensors:
        raise InputError(
            f"[coincidence] sensors must name each sensor once, {config.sensor.name!r} among them"
        )
    if not all(NAME.fullmatch(name) for name in own.sensors):
        raise InputError("[coincidence] sensors must be letters, digits and _.:- only")
    check_range("[coincidence]", 0, 600, ends="(]", frame_s=own.frame_s)
    check_range("[coincidence]", 1, 86_400, quiet_s=own.quiet_s, keep_alive_s=own.keep_alive_s)
    if own.frame_s > config.prewarning.dead_time_s:
        raise InputError("[coincidence] frame_s must not be above dead_time_s of [prewarning]")
