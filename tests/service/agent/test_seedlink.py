"""SeedLink, against a server of a few lines."""

import socket
import threading

import numpy as np
import pytest

from eqstat.service.agent import Input
from eqstat.service.agent._seedlink import packet_of, seedlink

pymseed = pytest.importorskip("pymseed")
pytest.importorskip("seedlink_client")


def record_of(samples):
    record = pymseed.MS3Record()
    record.sourceid = "FDSN:AM_R1234_00_E_H_Z"
    record.reclen, record.formatversion = 512, 2
    record.encoding = pymseed.DataEncoding.INT32
    record.samprate = 100.0
    record.starttime = 1_800_000_000 * 10**9
    (content,) = record.generate(np.asarray(samples, np.int32), sample_type="i")
    return bytes(content)


class Server:
    """A server that answers OK, and sends records after END."""

    def __init__(self, records):
        self._records = records
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._socket.accept()
        with connection, connection.makefile("rb") as commands:
            for line in commands:
                if line.startswith(b"HELLO"):
                    connection.sendall(b"SeedLink v3.1 (test)\r\nhere\r\n")
                elif line.startswith(b"END"):
                    for number, record in enumerate(self._records, 1):
                        connection.sendall(b"SL%06X" % number + record)
                elif not line.startswith(b"BYE"):
                    connection.sendall(b"OK\r\n")
        self._socket.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_records_become_packets():
    server = Server([record_of(range(100)), record_of(range(-50, 0))])
    source = Input(kind="seedlink", server=f"127.0.0.1:{server.port}", station="AM_R1234")
    made = []
    for _, packets in seedlink(source):
        made += packets
        if len(made) == 2:
            break
    assert [p.problem for p in made] == ["", ""]
    assert made[0].channels["EHZ"].tolist() == list(range(100))
    assert (made[0].start_s, made[0].rate_hz) == (1.8e9, 100.0)
    assert made[1].channels["EHZ"][0] == -50


def test_what_is_no_record_has_a_problem():
    class Broken:
        def record(self):
            raise ValueError

    assert packet_of(Broken()).problem == "no record (ValueError)"
