"""The Celery worker of one machine: it takes the place of LocalExecutor where NIGHTCAST_BROKER_URL names a broker."""

from __future__ import annotations

import socket

from nightcast.local.state import Local


def queue(local: Local) -> str:
    """The queue of this installation's tasks."""
    return f"nightcast-{local.instance}"


def name(local: Local) -> str:
    """The worker's name at the broker."""
    return f"{queue(local)}@{socket.gethostname()}"


def answers(broker: str, worker: str, seconds: float = 2.0) -> bool:
    """Whether the worker of this name answers through the broker; False where the broker itself does not."""
    from celery import Celery
    from kombu.exceptions import OperationalError

    app = Celery(broker=broker, set_as_current=False)
    try:
        with app.connection(connect_timeout=seconds, transport_options={"socket_connect_timeout": seconds}) as broker_:
            broker_.ensure_connection(max_retries=1)
            return bool(app.control.ping(destination=[worker], timeout=seconds, connection=broker_))
    except OperationalError:
        return False
    finally:
        app.close()
