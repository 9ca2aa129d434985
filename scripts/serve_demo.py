"""Run a broker, simulated phones, a detector service and its status page, until interrupted.

Run: python scripts/serve_demo.py [--out FOLDER] [--phones N] [--seconds S] [--page PORT].
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from pathlib import Path

from eqstat.service import DemoBroker, Service, load, read_config, write_demo


def main() -> None:
    """Start everything, and end it in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="serve-demo", help="folder of all files")
    parser.add_argument("--phones", type=int, default=5000)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--page", type=int, default=8080, help="port of the status page")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    settings = load.LoadSettings(
        phones=options.phones,
        triggers_per_s=options.phones / 1000,
        earthquake_every_s=60.0,
        burst_every_s=90.0,
        keep_alive_s=300.0,
        birth_s=10.0,
        latitude=(-12.75, -11.25),
        longitude=(-77.25, -75.75),
    )
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    world, broker = load.LoadWorld(0, settings), DemoBroker(folder)
    path = write_demo(
        folder,
        [f"p{number}" for number in range(options.phones)],
        world.network.latitude,
        world.network.longitude,
        port=broker.port,
        page=options.page,
        keep_alive_s=settings.keep_alive_s,
        rate_h=3600 * settings.triggers_per_s / options.phones,
    )
    print(f"{broker.name} listens on port {broker.port}; the service compiles (a minute or so)")
    service = Service(read_config(path))
    print(f"status page: http://127.0.0.1:{options.page}/ - end with Ctrl-C")
    sending = threading.Thread(
        target=load.run_load,
        args=(world, load.LoadTarget(host="127.0.0.1", port=broker.port), options.seconds),
        kwargs={"truth": folder / "truth.jsonl"},
        daemon=True,
    )
    sending.start()
    try:
        service.run(options.seconds)
    except KeyboardInterrupt:
        print("ended; why there was an alarm: eqstat explain ALARM --journal", folder / "journal")
    finally:
        broker.stop()


if __name__ == "__main__":
    main()
