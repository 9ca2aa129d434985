"""`eqstat serve`: run a detector service."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
from typing import Any

from eqstat.cli import _driver
from eqstat.cli._options import add_outputs, number
from eqstat.cli._outcome import Outcome

NEEDED = ("paho", "the service needs paho-mqtt: pip install 'eqstat[service]'")
EXAMPLE = """\
The configuration is a TOML file; the guide of the service describes its keys. The service runs
until it is interrupted or terminated; its journal, snapshots and outputs are where the
configuration says."""


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "serve",
        parents=[common],
        help="run a detector service: triggers in by MQTT, alarms out",
        description="Run a detector service: counts of triggers first, the sequential posterior "
        "when they are too many, alarms by MQTT, CAP, QuakeML, GeoJSON and webhook.",
        epilog=EXAMPLE,
    )
    parser.add_argument("config", metavar="CONFIG.toml", help="configuration of the service")
    parser.add_argument(
        "--region",
        metavar="NAME",
        help="run this region alone, as one of several processes that share the regions: with a "
        "journal of its own, and silent on earthquakes of which another gave an alarm",
    )
    parser.add_argument(
        "--check", action="store_true", help="read configuration and tables, compile, and end"
    )
    parser.add_argument(
        "--seconds", type=number(0.0, 1e9), metavar="S", help="end after so many seconds"
    )
    add_outputs(parser, inputs=("config",))


def run(options: argparse.Namespace) -> Outcome:
    """Run the service of a configuration, or only check it."""
    from eqstat import service

    config = service.read_config(options.config)
    if options.region is not None:
        config = config.only(options.region)
    if options.check:
        import time

        engine = service.Engine(config, time.time())
        regions = {model.options.name: len(model.names) for model in engine.models}
        told = ", ".join(f"{name} with {count} devices" for name, count in regions.items())
        return Outcome(
            summary=(f"The configuration can be used: {told}; mode {config.service.mode}.",),
            content={"regions": regions, "mode": config.service.mode},
            result="VALID",
            result_text="the configuration can be used",
        )
    _driver.require(*NEEDED)
    show_log()
    running = service.Service(config)
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: running.stop())
    running.run(float("inf") if options.seconds is None else options.seconds)
    latency = running.metrics.summary()
    count = sum(running.engine.registry.fates.values())
    return Outcome(
        summary=(f"Ended after {count} messages.",),
        content={
            "messages": dict(running.engine.registry.fates),
            "broker": dict(running.client.counted),
            "latency": latency,
        },
        result="ENDED",
        result_text="the service was ended",
    )


def show_log() -> None:
    """Write the service's log lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("eqstat.service")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
