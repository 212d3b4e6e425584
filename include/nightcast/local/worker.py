"""The Celery worker of one machine: it takes the place of LocalExecutor where NIGHTCAST_BROKER_URL names a broker."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from nightcast.errors import SettingMissing, Transient
from nightcast.local.state import Local

BROKERS = ("redis", "rediss", "amqp", "amqps")


def queue(local: Local) -> str:
    """The queue of this installation's tasks."""
    return f"nightcast-{local.instance}"


def name(local: Local) -> str:
    """The worker's name at the broker."""
    return f"{queue(local)}@{socket.gethostname()}"


def check_broker(environment: Mapping[str, str]) -> None:
    """Refuse a broker that cannot be used, before anything waits for it; nothing to do where none is named.

    Raises:
        SettingMissing: NIGHTCAST_BROKER_URL is not a broker's URL.
        Transient: the broker does not answer, or refuses the login.
    """
    given = environment.get("NIGHTCAST_BROKER_URL")
    if not given:
        return
    try:
        found = urlsplit(given)
        usable = found.scheme in BROKERS and bool(found.hostname) and found.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingMissing(  # without the URL, which holds a password
            f"NIGHTCAST_BROKER_URL cannot be used; expected one of {', '.join(BROKERS)}, as in "
            "redis://:PASSWORD@HOST:6379/0"
        )
    with _connection(given, 5.0) as broker:
        if broker is None:
            where = f"{found.hostname}:{found.port or 'its usual port'}"
            raise Transient(
                f"the broker of NIGHTCAST_BROKER_URL does not take our login at {where}; expected it to run, with that "
                "password. Start it, or unset the variable: then the tasks run under the scheduler"
            )


def answers(broker: str, worker: str, seconds: float = 2.0) -> bool | None:
    """Whether the worker of this name answers through the broker; None where the broker itself does not."""
    with _connection(broker, seconds) as connection:
        if connection is None:
            return None
        try:
            asked = _app(broker).control.inspect([worker], timeout=seconds, connection=connection, limit=1)
            return bool(asked.ping())
        except connection.connection_errors:
            return None


@contextmanager
def _connection(broker: str, seconds: float) -> Iterator[Any]:
    """A connection to the broker that has been used, or None."""
    from kombu.exceptions import OperationalError

    options = {"socket_connect_timeout": seconds, "socket_timeout": seconds}
    with _app(broker).connection(connect_timeout=seconds, transport_options=options) as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=seconds)
        except (OperationalError, *connection.connection_errors):
            yield None
            return
        yield connection


def _app(broker: str) -> Any:
    from celery import Celery

    return Celery(broker=broker, set_as_current=False)
