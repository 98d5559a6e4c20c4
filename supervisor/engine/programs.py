"""From a worker in the ledger, or an embedded proxy, to the complete description of a program to start."""

from collections.abc import Mapping

from supervisor.core.sharing import socket_name
from supervisor.engine.ledger import PROXY_POOL
from supervisor.model.launch import Launch
from supervisor.model.spec import PoolSpec, ProxySpec, ReadySpec, RestartSpec, StopSpec
from supervisor.model.workers import Worker

OURS = (
    "CLUSTERCTL_KEEPER_FD",
    "CLUSTERCTL_API_FD",
    "CLUSTERCTL_JOURNAL_FD",
    "CLUSTERCTL_EVENTS_FD",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
)
"""Variables of our own environment that are between us and who started us, not for workers."""

NEVER = 1_000_000_000
"""Deaths until an embedded proxy is given up: never; without it there is no service."""


def launch_of(worker: Worker, spec: PoolSpec, environ: Mapping[str, str]) -> Launch:
    """What the keeper is asked to start. `spec` is that of the worker's generation."""
    env = {key: value for key, value in environ.items() if key not in OURS and not key.startswith("LISTEN_")}
    env |= spec.env
    env |= {
        "CLUSTERCTL_WORKER": worker.slot_name,
        "CLUSTERCTL_POOL": worker.pool,
        "CLUSTERCTL_GENERATION": str(worker.generation),
    }
    port = worker.address.rpartition(":")[2] if worker.address and spec.ports else None
    if port:
        env["PORT"] = port
    argv = tuple(fill(word, port, "3" if spec.listen else None) for word in spec.command)
    return Launch(
        serial=worker.serial,
        name=worker.slot_name,
        argv=argv,
        cwd=spec.cwd,
        env=env,
        log=worker.log,
        listen=(socket_name(worker.pool, spec.listen),) if spec.listen else (),
        nofile=spec.limits.nofile,
        note={
            "pool": worker.pool,
            "slot": str(worker.slot),
            "generation": str(worker.generation),
            "address": worker.address or "",
            "log": worker.log,
        },
    )


def fill(word: str, port: str | None, fd: str | None) -> str:
    """`{port}` and `{fd}` in one word of the argv; any other brace is the program's own."""
    if port is not None:
        word = word.replace("{port}", port)
    return word if fd is None else word.replace("{fd}", fd)


def proxy_pool(proxy: ProxySpec, argv: tuple[str, ...], cwd: str) -> PoolSpec:
    """An embedded proxy as a hidden pool of one, so that it is supervised like everything else."""
    return PoolSpec(
        name=f"{PROXY_POOL}{proxy.name}",
        command=argv,
        workers=1,
        cwd=cwd,
        ready=ReadySpec(),
        stop=StopSpec(signal="USR1", timeout=5.0),
        restart=RestartSpec(give_up=NEVER, backoff=0.1, backoff_max=2.0, reset_after=10.0),
    )
