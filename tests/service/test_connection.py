"""Credentials and encryption of a connection, and one clear error where they cannot be used."""

import dataclasses
import ssl

import pytest

from eqstat import InputError
from eqstat.service._config import Broker
from eqstat.service._protocol._connection import secure


class Client:
    """Remembers what it is given."""

    def __init__(self):
        self.given = {}

    def username_pw_set(self, username, password):
        self.given["credentials"] = username, password

    def tls_set_context(self, context):
        self.given["context"] = context


def secured(folder, **options):
    client = Client()
    secure(client, dataclasses.replace(Broker(), **options), lambda name: folder / name)
    return client.given


def test_nothing_is_set_that_is_not_asked_for(tmp_path):
    assert secured(tmp_path) == {}


def test_a_password_may_hold_blanks_and_ends_with_its_line(tmp_path):
    (tmp_path / "secret").write_bytes(b" se cret \r\n")
    given = secured(tmp_path, username="u", password_file="secret")
    assert given == {"credentials": ("u", " se cret ")}
    assert secured(tmp_path, username="u") == {"credentials": ("u", None)}


def test_the_broker_must_prove_who_it_is(tmp_path):
    context = secured(tmp_path, tls=True)["context"]
    assert context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"username": "u", "password_file": "none"}, "password_file: none cannot be read"),
        ({"username": "u", "password_file": "bytes"}, "password_file: bytes cannot be read"),
        ({"tls": True, "ca_file": "bytes"}, "tls:"),
        ({"tls": True, "certificate_file": "none"}, "tls:"),
    ],
)
def test_what_cannot_be_used_is_one_error(tmp_path, options, text):
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=rf"\[broker\] {text}"):
        secured(tmp_path, **options)
