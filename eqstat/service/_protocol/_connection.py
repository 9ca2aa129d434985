"""What every connection to a broker of MQTT needs: the library, credentials and encryption."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eqstat._core.errors import InputError


def mqtt_module() -> Any:
    """The client library; imported when it is needed."""
    try:
        import paho.mqtt.client as module
    except ImportError:
        raise InputError("a broker needs paho-mqtt: pip install 'eqstat[service]'") from None
    return module


def secure(client: Any, broker: Any, path: Callable[[str], Path]) -> None:
    """Give a client the credentials and the encryption of a table `[broker]`.

    Parameters
    ----------
    client
        Client of MQTT that is not connected yet.
    broker
        With `username`, `password_file`, `tls`, `ca_file`, `certificate_file` and `key_file`.
    path
        Gives the path of a file that the table names.
    """
    if broker.username:
        client.username_pw_set(broker.username, _password(broker.password_file, path))
    if broker.tls:
        client.tls_set_context(_context(broker, path))


def _password(name: str, path: Callable[[str], Path]) -> str | None:
    if not name:
        return None
    try:
        return path(name).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"[broker] password_file: {name} cannot be read") from None


def _context(broker: Any, path: Callable[[str], Path]) -> ssl.SSLContext:
    try:
        authority = str(path(broker.ca_file)) if broker.ca_file else None
        context = ssl.create_default_context(cafile=authority)
        if broker.certificate_file:
            key = str(path(broker.key_file)) if broker.key_file else None
            context.load_cert_chain(str(path(broker.certificate_file)), key)
    except OSError as error:  # which errors of SSL are, too
        raise InputError(f"[broker] tls: {error}") from None
    return context
