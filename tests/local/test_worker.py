"""The broker of a Celery worker: judged before anything waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e import broker
from nightcast.errors import SettingMissing, Transient
from nightcast.local import component, worker
from nightcast.local.state import Local

pytestmark = pytest.mark.unit


def test_a_broker_that_takes_our_login_is_used_and_no_other(tmp_path: Path) -> None:
    with broker.running(tmp_path) as url:
        worker.check_broker({"NIGHTCAST_BROKER_URL": url})
        assert worker.answers(url, "nobody@here", 0.5) is False
        wrong = url.replace("redis://:", "redis://:topsecret")
        with pytest.raises(
            Transient, match=r"does not take our login at 127\.0\.0\.1:\d+; expected it to run"
        ) as caught:
            worker.check_broker({"NIGHTCAST_BROKER_URL": wrong})
        assert "topsecret" not in str(caught.value)
    with pytest.raises(Transient, match="does not take our login"):
        worker.check_broker({"NIGHTCAST_BROKER_URL": url})
    assert worker.answers(url, "nobody@here", 0.5) is None


def test_a_worker_is_not_killed_for_the_brokers_absence(local: Local, tmp_path: Path) -> None:
    """Its tasks may go on. One that is silent while the broker answers hangs."""
    with broker.running(tmp_path) as url:
        assert component._worker_is_well(local, {"AIRFLOW__CELERY__BROKER_URL": url}, 0.0) is False
    assert component._worker_is_well(local, {"AIRFLOW__CELERY__BROKER_URL": url}, 0.0) is True


def test_without_a_broker_there_is_nothing_to_judge() -> None:
    worker.check_broker({})
    worker.check_broker({"NIGHTCAST_BROKER_URL": ""})


@pytest.mark.parametrize(
    "url", ["topsecret", "mysql://u:topsecret@h", "redis:///topsecret", "redis://:topsecret@h:port/0"]
)
def test_what_is_no_brokers_url_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(SettingMissing, match="NIGHTCAST_BROKER_URL cannot be used; expected one of redis,") as caught:
        worker.check_broker({"NIGHTCAST_BROKER_URL": url})
    assert "topsecret" not in str(caught.value)
