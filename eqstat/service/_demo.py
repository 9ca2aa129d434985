"""A demonstration: a broker, phones, a service and its page, in one folder."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from eqstat._core.errors import InputError

MOSQUITTO = ("mosquitto", "/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto")
REGION = """\
# The service of a demonstration; the guide (docs/service.md) describes all keys.
[service]
name = "demo"
mode = "test"            # alarms say that they are a test
folder = "journal"

[broker]
host = "127.0.0.1"
port = {port}

[devices]
keep_alive_s = {keep_alive_s:g}

[[region]]
name = "coast"
network = "phones.csv"
background_per_device_h = {rate_h:.4f}
earthquake_rate_per_year = 50.0   # many more than in reality
cells = 100
depth_km = [10.0, 25.0, 50.0]
causes = ["network", "venue", "sound"]

[sites]
table = "sites.csv"
threshold_m_s2 = [0.2, 1.0]

[outputs]
cap_folder = "cap"
quakeml_folder = "quakeml"
geojson_folder = "geojson"

[page]
port = {page}
"""
SITES = """\
site,latitude,longitude
harbour,-12.06,-77.15
hospital,-11.60,-76.20
dam,-12.90,-75.40
"""


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DemoBroker:
    """A broker on a free port: Mosquitto where it is installed, else the embedded one, amqtt.

    Parameters
    ----------
    folder
        For the configuration of Mosquitto.

    Raises
    ------
    eqstat.InputError
        When there is neither.

    Examples
    --------
    See `write_demo`.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        mosquitto = next(filter(None, map(shutil.which, MOSQUITTO)), None)
        self._process: subprocess.Popen[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._broker: Any = None
        self.name = "Mosquitto" if mosquitto else "amqtt"
        if mosquitto:
            path = folder / "mosquitto.conf"
            path.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
            self._process = subprocess.Popen([mosquitto, "-c", str(path)])
        else:
            self._embedded()
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise InputError(f"{self.name} does not answer on port {self.port}")

    def _embedded(self) -> None:
        try:
            from amqtt.broker import Broker  # pyright: ignore[reportMissingImports]
        except ImportError:
            raise InputError(
                "demo: there is no broker: install Mosquitto, or pip install 'eqstat[broker]'"
            ) from None
        config: dict[str, Any] = {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{self.port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
            },
        }
        self._loop = loop = asyncio.new_event_loop()

        def run() -> None:
            asyncio.set_event_loop(loop)
            self._broker = Broker(config, loop)
            loop.run_until_complete(self._broker.start())
            loop.run_forever()

        threading.Thread(target=run, daemon=True).start()

    def stop(self) -> None:
        """End the broker."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
        if self._loop is not None:
            asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)


def write_demo(
    folder: str | Path, names: list[str], latitude: Any, longitude: Any, **options: Any
) -> Path:
    """Write configuration, network and sites of a demonstration; the path of the configuration.

    Parameters
    ----------
    folder
        Folder, made where it is missing.
    names, latitude, longitude
        The phones.
    **options
        `port` of the broker, `page`, `keep_alive_s`, and `rate_h`, background triggers per phone
        and hour.

    Examples
    --------
    >>> import tempfile
    >>> from eqstat.service import read_config
    >>> path = write_demo(tempfile.mkdtemp(), ["a", "b"], [-12.0, -12.1], [-77.0, -77.0],
    ...                   port=1883, page=8080, keep_alive_s=300.0, rate_h=0.5)
    >>> read_config(path).region[0].name
    'coast'
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = zip(names, latitude, longitude, strict=True)
    lines = [f"{name},{lat:.4f},{lon:.4f}" for name, lat, lon in rows]
    (folder / "phones.csv").write_text("\n".join(["device,latitude,longitude", *lines]) + "\n")
    (folder / "sites.csv").write_text(SITES)
    path = folder / "service.toml"
    path.write_text(REGION.format(**options))
    return path
