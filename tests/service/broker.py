"""Mosquitto on a free port of this machine, with a configuration of its own."""

import shutil
import socket
import subprocess
import time

import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="Mosquitto is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """A broker that can be killed and started again; it keeps its sessions on disk."""

    def __init__(self, folder, *more):
        self.port = free_port()
        self.path = folder / "mosquitto.conf"
        (folder / "sessions").mkdir()
        lines = [f"listener {self.port} 127.0.0.1", "persistence true",
                 f"persistence_location {folder}/sessions/", "autosave_interval 1",
                 "max_queued_messages 0", "max_inflight_messages 1000"]  # fmt: skip
        self.path.write_text("\n".join([*lines, *(more or ["allow_anonymous true"])]) + "\n")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", self.path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise RuntimeError("Mosquitto does not answer")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
