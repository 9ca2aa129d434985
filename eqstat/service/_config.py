"""Configuration of a service: a TOML file, read strictly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eqstat._core.checks import check_choice, check_range
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.service._protocol._topics import NAME, ROOT, check_root
from eqstat.service._toml import read_toml, table

MODES = ("test", "exercise", "actual")


@dataclass(frozen=True)
class Service:
    """`[service]`: name, mode of the alarms, and where the journal is.

    Attributes
    ----------
    name
        Name of this service, in health topic and alarms.
    mode
        `test`, `exercise` or `actual`; alarms of a test must not be acted on.
    folder
        Folder of journal and snapshots, relative to the configuration.
    keep_inputs_h
        How long received messages are kept in the journal, h.
    snapshot_s
        Time between snapshots, s.
    merge_alarms
        Whether earthquakes of which another service on the same broker gives an alarm are left to
        it: so where regions that overlap are services of their own.
    language
        Of CAP, RFC 3066.
    contact
        Who sends CAP messages, an address of the domain name system.
    """

    name: str = "eqstat"
    mode: str = "test"
    folder: str = "eqstat-service"
    keep_inputs_h: float = 1.0
    snapshot_s: float = 60.0
    merge_alarms: bool = False
    language: str = "en-US"
    contact: str = "eqstat.invalid"


@dataclass(frozen=True)
class Broker:
    """`[broker]`: the broker of MQTT, its credentials and topics.

    With `area_degrees` above 0 devices send by the cells of this size in which they are
    (`area_of`), and a service hears those of its regions' cells only.
    """

    host: str = "127.0.0.1"
    port: int = 1883
    root: str = ROOT
    client: str = ""
    username: str = ""
    password_file: str = ""
    tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    openeew: bool = False
    area_degrees: float = 0.0


@dataclass(frozen=True)
class Devices:
    """`[devices]`: how often a device may speak, and for how long it counts as active."""

    keep_alive_s: float = 900.0
    missed_keep_alives: float = 2.5
    messages_per_minute: float = 20.0
    burst: int = 10
    largest_lateness_s: float = 60.0
    always_active: bool = False


@dataclass(frozen=True)
class Region:
    """`[[region]]`: one region, its devices, counts, and sequential posterior."""

    name: str
    network: str
    background_per_device_h: float | list[float] = 0.5
    background_relative_sd: float = 0.3
    utc_offset_h: float = 0.0
    counts_artefact: str = ""
    counts_window_s: float = 10.0
    counts_cell_km: float = 40.0
    counts_alarms_per_day: float = 10.0
    counts_minimum: int = 4
    false_alarm_rate_per_year: float = 1.0
    least_probability: float = 0.9
    earthquake_rate_per_year: float = 10.0
    trigger_m_s2: float = 0.1
    able_share: float = 0.6
    deepest_km: float = 300.0
    cells: int = 300
    depth_km: list[float] | None = None
    causes: list[str] | None = None
    delay_s: float = 2.0
    dead_time_s: float = 90.0
    latency_s: float = 0.5
    step_s: float = 0.2
    idle_step_s: float = 2.0
    awake_s: float = 30.0


@dataclass(frozen=True)
class Sites:
    """`[sites]`: places for which strong shaking is predicted."""

    table: str = ""
    threshold_m_s2: list[float] = field(default_factory=lambda: [0.5])
    action_probability: float = 0.1


@dataclass(frozen=True)
class Outputs:
    """`[outputs]`: files and a webhook beside MQTT."""

    cap_folder: str = ""
    quakeml_folder: str = ""
    geojson_folder: str = ""
    webhook: str = ""
    webhook_timeout_s: float = 5.0


@dataclass(frozen=True)
class Page:
    """`[page]`: the status page and the metrics; no page where the port is 0."""

    host: str = "127.0.0.1"
    port: int = 8080


@dataclass(frozen=True)
class Config(Explained):
    """Configuration of a service; see `read_config`.

    Attributes
    ----------
    region
        The regions.
    service, broker, devices, sites, outputs, page
        The other tables of the file.
    base
        Folder that paths in the file are relative to.

    Examples
    --------
    See `read_config`.
    """

    region: tuple[Region, ...]
    service: Service = Service()
    broker: Broker = Broker()
    devices: Devices = Devices()
    sites: Sites = Sites()
    outputs: Outputs = Outputs()
    page: Page = Page()
    base: Path = Path()

    def path(self, name: str) -> Path:
        """Path of a file that the configuration names."""
        return self.base / name

    def only(self, region: str) -> Config:
        """Return the configuration of a service of one of the regions alone, beside the others.

        It has a name and a journal of its own, leaves earthquakes to the service that gives an
        alarm first, and has a page where it is the first region.
        """
        names = [one.name for one in self.region]
        if region not in names:
            raise InputError(f"no region {region!r:.60}; there are {', '.join(names)}")
        name = f"{self.service.name}-{region}"
        if not NAME.fullmatch(name):  # cut short, two regions could have one name
            raise InputError(f"name {name!r:.80} of the region's service is longer than 64 letters")
        service = replace(
            self.service,
            name=name,
            folder=str(Path(self.service.folder) / region),
            merge_alarms=True,
        )
        number = names.index(region)
        page = replace(self.page, port=0 if number else self.page.port)
        return replace(self, region=(self.region[number],), service=service, page=page)

    @property
    def folder(self) -> Path:
        """Folder of journal and snapshots."""
        return self.path(self.service.folder)


TABLES: dict[str, Any] = {
    "service": Service,
    "broker": Broker,
    "devices": Devices,
    "sites": Sites,
    "outputs": Outputs,
    "page": Page,
}


def read_config(path: str | Path) -> Config:
    r"""Read the configuration of a service.

    Parameters
    ----------
    path
        A TOML file with the tables `[service]`, `[broker]`, `[devices]`, `[sites]`, `[outputs]`,
        `[page]`, and one `[[region]]` or several. Paths in it are relative to its folder.

    Returns
    -------
    Config

    Raises
    ------
    eqstat.InputError
        When the file is no TOML, or has a key that is not known or a value that cannot be.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "service.toml"
    >>> _ = path.write_text("broker.prt = 1\n[[region]]\nname = 'lima'\nnetwork = 'a.csv'")
    >>> read_config(path)
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: service.toml: [broker] has no key 'prt'; it has host, port, ...
    """
    path = Path(path)
    content = read_toml(path)
    regions = content.pop("region", [])
    try:
        if not isinstance(regions, list) or not regions:
            raise InputError("needs a table [[region]]")
        unknown = set(content) - set(TABLES)
        if unknown:
            known = ", ".join([*TABLES, "region"])
            raise InputError(f"no table [{min(unknown)}]; there are {known}")
        tables = {name: table(f"[{name}]", TABLES[name], own) for name, own in content.items()}
        made = tuple(table("[[region]]", Region, own) for own in regions)
        config = Config(region=made, base=path.parent, **tables)
        _check(config)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from None
    return config


POSITIVE = {
    "service": ("keep_inputs_h", "snapshot_s"),
    "devices": ("keep_alive_s", "missed_keep_alives", "messages_per_minute", "burst",
                "largest_lateness_s"),
    "outputs": ("webhook_timeout_s",),
}  # fmt: skip
OF_REGION = ("counts_window_s", "counts_cell_km", "counts_alarms_per_day", "step_s", "idle_step_s",
             "awake_s", "dead_time_s", "false_alarm_rate_per_year", "earthquake_rate_per_year",
             "trigger_m_s2", "deepest_km")  # fmt: skip


def _check(config: Config) -> None:
    """Refuse values out of their range."""
    check_choice("[service]", MODES, mode=config.service.mode)
    check_root(config.broker.root)
    check_range("[broker]", 1, 65535, port=config.broker.port)
    check_range("[broker]", 0, 90, area_degrees=config.broker.area_degrees)
    check_range("[page]", 0, 65535, port=config.page.port)
    check_range("[sites]", 0, 1, ends="()", action_probability=config.sites.action_probability)
    for title, names in POSITIVE.items():
        own = getattr(config, title)
        check_range(f"[{title}]", 0, ends="()", **{n: getattr(own, n) for n in names})
    if config.outputs.webhook and not config.outputs.webhook.startswith(("http://", "https://")):
        raise InputError("[outputs] webhook must begin with http:// or https://")
    names = [config.service.name, *(region.name for region in config.region)]
    for name in names:
        if not NAME.fullmatch(name):
            raise InputError(f"name {name!r:.60} must be 1 to 64 letters, digits and _.:-")
    if len(set(names[1:])) < len(config.region):
        raise InputError("two regions have one name")
    for region in config.region:
        title = f"[[region]] {region.name}:"
        check_range(title, 0, ends="()", **{n: getattr(region, n) for n in OF_REGION})
        check_range(title, 0, 1, ends="()", least_probability=region.least_probability)
        background = region.background_per_device_h
        if isinstance(background, list) and len(background) != 24:
            raise InputError(f"{title} background_per_device_h must be a number or 24, by the hour")
        check_range(title, 0, 1e4, ends="()", background_per_device_h=background)
        check_range(title, 3, 1000, counts_minimum=region.counts_minimum)
