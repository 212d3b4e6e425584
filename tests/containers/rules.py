"""What docker-compose.yaml must keep to. Each rule returns what is wrong, in words; the tests also break each rule."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from containers.compose import Compose, seconds
from nightcast.local.component import DRAIN_OF_TASKS

HAS_TO_STOP_WELL = {"scheduler", "worker"}  # they wait for the tasks that run
SECRET = re.compile(r"PASSWORD|SECRET|KEY|TOKEN|REDISCLI_AUTH|CONTAINER_(ROLE|LOGIN)")
NOT_SECRET = ("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE",)
URL_PASSWORD = re.compile(r"://[^:@/\s]*:([^@\s]*)@")
REQUIRED = re.compile(r"\$\{CONTAINER_\w+(:\?[^}]+)?\}")
ENDED = "service_completed_successfully"
HEALTHY = "service_healthy"


def dangling(compose: Compose) -> list[str]:
    """Services, volumes and networks that are named and not defined, or defined and not named."""
    services, top = compose.services, compose.document
    wrong, used = [], set()
    for name, service in services.items():
        wrong += [f"{name} depends on {d}, which is no service" for d in depends(service) if d not in services]
        sources = [mount.split(":")[0] for mount in service.get("volumes", [])]
        named = {source for source in sources if not source.startswith((".", "/", "~"))}
        used |= named
        wrong += [f"{name} mounts {v}, which is no volume" for v in sorted(named - (top.get("volumes") or {}).keys())]
        networks = set(service.get("networks", [])) - (top.get("networks") or {}).keys()
        wrong += [f"{name} is in {n}, which is no network" for n in sorted(networks)]
        for other in hosts(compose, name) - services.keys():
            wrong.append(f"{name} talks to {other}, which is no service")
    return wrong + [f"volume {v} is used by nobody" for v in sorted((top.get("volumes") or {}).keys() - used)]


def order(compose: Compose) -> list[str]:
    """What is waited for can come: health where health is waited for, an end where an end is, no ring."""
    wrong = []
    for name, service in compose.services.items():
        for other, how in depends(service).items():
            needed = compose.services.get(other, {})
            if how == HEALTHY and "healthcheck" not in needed:
                wrong.append(f"{name} waits for the health of {other}, which has no healthcheck")
            if (how == ENDED) != (needed.get("restart") == "no"):
                wrong.append(f"{name} waits for {other} by {how}, whose restart policy is {needed.get('restart')}")
            if missing := set(needed.get("profiles", [])) - set(service.get("profiles", [])):
                wrong.append(f"{name} waits for {other}, which is only there with {', '.join(sorted(missing))}")
        if name in reached(compose, name):
            wrong.append(f"{name} waits for itself")
    return wrong


def supervision(compose: Compose) -> list[str]:
    """What runs by itself comes back, says how it is, keeps bounded logs, and gains no rights."""
    wrong = []
    for name, service in compose.services.items():
        once = service.get("restart") == "no"
        if service.get("restart") not in ("no", "unless-stopped"):
            wrong.append(f"{name} has the restart policy {service.get('restart')}")
        if not once and "healthcheck" not in service:
            wrong.append(f"{name} has no healthcheck")
        options = service.get("logging", {}).get("options", {})
        if not {"max-size", "max-file"} <= options.keys():
            wrong.append(f"{name} keeps its output for ever")
        if "no-new-privileges:true" not in service.get("security_opt", []) or service.get("privileged"):
            wrong.append(f"{name} may gain rights")
        if not once and "memory" not in service.get("deploy", {}).get("resources", {}).get("limits", {}):
            wrong.append(f"{name} may take all memory")
        grace = seconds(service.get("stop_grace_period", "10s"))
        if name in HAS_TO_STOP_WELL and grace <= DRAIN_OF_TASKS:
            wrong.append(f"{name} is killed after {grace:g} s; expected more than {DRAIN_OF_TASKS:g} s")
        if name in HAS_TO_STOP_WELL and service["environment"].get("DUMB_INIT_SETSID") != "0":
            wrong.append(f"{name}'s tasks are asked to stop, too")
    return wrong


def doors(compose: Compose) -> list[str]:
    """Published ports listen on the loopback interface only. `compose` is filled in."""
    wrong = []
    for name, service in compose.services.items():
        open_ports = [p for p in service.get("ports", []) if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", str(p))]
        wrong += [f"{name} publishes {port}; expected 127.0.0.1:PORT:PORT" for port in open_ports]
        if service.get("network_mode"):
            wrong.append(f"{name} is in the network of {service['network_mode']}")
    return wrong


def secrets(compose: Compose) -> list[str]:
    """Every password and key is a required variable of `.env`, and not in the file or on a command line."""
    wrong = []
    for service, name, value in compose.environments():
        found = URL_PASSWORD.findall(value)
        if SECRET.search(name) and name not in NOT_SECRET:
            found.append(value)
        wrong += [f"{service}: {name} holds {f!r} itself" for f in found if not REQUIRED.fullmatch(f)]
    for name, service in compose.services.items():
        if "CONTAINER_" in str(service.get("command", "")):
            wrong.append(f"{name}: a secret is on the command line")
    return wrong


def rights(compose: Compose) -> list[str]:
    """Nobody is told a password beyond its work: the superuser's and the owner's are for one-shot commands."""
    may = {
        "CONTAINER_POSTGRES": {"postgres", "databases"},
        "CONTAINER_ROLE_NIGHTCAST_OWNER": {"databases", "tables"},
        "CONTAINER_ROLE_SOURCE_OWNER": {"databases"},
        "CONTAINER_ROLE_NIGHTCAST_MONITOR": {"databases"},
        "CONTAINER_ROLE_ANALYST": {"databases"},
        "CONTAINER_LOGIN_ADMIN": {"api-server"},
    }
    return [
        f"{service} is told {secret} in {name}"
        for service, name, value in compose.environments()
        for secret, allowed in may.items()
        if re.search(rf"\b{secret}\b", value) and service not in allowed
    ]


def places(compose: Compose, dockerfile: str, repository: Path) -> list[str]:
    """Paths on this side exist; paths in the image are in what it copies, or in a folder that it makes."""
    wrong = []
    copied = dict(re.findall(r"^COPY (?:--\S+ )*(\S+) (\S+)$", dockerfile, re.MULTILINE))
    absent = [source for source in copied if not (repository / source).exists()]
    wrong += [f"the image copies {source}, which is not there" for source in absent]
    made = set(re.findall(r"(/var/lib/nightcast/?\S*)", dockerfile))
    settings = dict(re.findall(r"(\w+)=(/\S+)", dockerfile))
    for name, path in settings.items():
        if path not in made and not _in_image(path, copied, repository):
            wrong.append(f"{name} is {path}, which the image does not have")
    for name, service in compose.services.items():
        for mount in service.get("volumes", []):
            source, target, *_ = mount.split(":")
            if source.startswith((".", "/", "~")) and not (repository / source).exists():
                wrong.append(f"{name} mounts {source}, which is not there")
            if service["image"].startswith("nightcast") and target not in made:
                wrong.append(f"{name} mounts a volume at {target}, which the image does not make")
    return wrong


def depends(service: Mapping[str, Any]) -> dict[str, str]:
    """Service -> condition."""
    return {name: how["condition"] for name, how in service.get("depends_on", {}).items()}


def reached(compose: Compose, name: str) -> set[str]:
    """Everything that a service waits for, directly and not."""
    found: set[str] = set()
    todo = [name]
    while todo:
        new = depends(compose.services.get(todo.pop(), {})).keys() - found
        found |= new
        todo += new
    return found


def hosts(compose: Compose, service: str) -> set[str]:
    """Hosts in a service's URLs that are not this machine's, filled-in sources of users aside."""
    found = compose.services[service]
    texts = [str(v) for k, v in found.get("environment", {}).items() if not k.startswith("NIGHTCAST_RUNBOOKS")]
    texts += map(str, found.get("healthcheck", {}).get("test", []))
    named = {host for text in texts for host in re.findall(r"://(?:[^@/\s]*@)?([\w.-]+)", text)}
    return named - {"127.0.0.1", "localhost"}


def _in_image(path: str, copied: Mapping[str, str], repository: Path) -> bool:
    for source, target in copied.items():
        if PurePosixPath(path).is_relative_to(target):
            return (repository / source / PurePosixPath(path).relative_to(target)).exists()
    return False
