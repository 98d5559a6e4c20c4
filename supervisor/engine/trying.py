"""What a worker of a new generation must answer, once it is ready, before it gets any traffic.

Where nothing is configured it is asked for `/`, and only what the old workers do better is held against it: a
version whose every page fails although its health is fine is found out before a client meets it.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

from supervisor.host.probing import ask
from supervisor.model.readings import Answer
from supervisor.model.spec import PoolSpec, Question
from supervisor.model.workers import Worker

UNASKED = "/"
"""What is asked for where no trial is configured."""
FIRST = 1.0
"""Seconds for an answer; more where an old worker takes long too."""
SHARED = 5.0
"""The same where several workers accept on one socket, and it takes some tries to meet the one that is meant."""
PATIENCE = 10.0
"""Seconds for the old ones, of which several are asked: one that does one request at a time lets us wait."""
ASKED = 3
TIMES_LONGER = 3.0
AT_LEAST = 1.0
"""Seconds for which it must go on giving bad answers, however short `rollout.watch` is: one may be chance."""

Elder = tuple[Worker, PoolSpec]


class Tried(NamedTuple):
    """How a trial went. `bad`: it gives answers, and they are wrong; waiting longer is not likely to help."""

    ok: bool
    why: str = ""
    bad: bool = False


async def tried(worker: Worker, spec: PoolSpec, elders: Sequence[Elder]) -> Tried:
    """One trial. `elders` are ready workers of other generations."""
    if spec.rollout.trial is None:
        return await compared(worker, spec, elders)
    for path in spec.rollout.trial:
        answer = await get(path, worker, spec, max(1.0, spec.ready.every))
        if not answer.ok:
            return Tried(False, f"trial of {path}: {answer.why}")
    return Tried(True)


async def compared(worker: Worker, spec: PoolSpec, elders: Sequence[Elder]) -> Tried:
    """The trial that nobody configured; passed where there is nobody to compare with."""
    if spec.ready.http in (None, UNASKED) or not elders:
        return Tried(True)
    first = SHARED if spec.listen is not None else FIRST
    answer = await get(UNASKED, worker, spec, first)
    if serves(answer):
        return Tried(True)
    if met_others(answer):
        return Tried(False, f"GET {UNASKED}: {answer.why}")
    begun = time.monotonic()
    # A quarter of its time to get ready at most: where all hang at `/`, the new one must not fail of our waiting.
    elder, better = await first_that_serves(elders, max(first, min(PATIENCE, spec.ready.timeout / 4)))
    if not serves(better) and not met_others(better):
        return Tried(True)
    limit = first + TIMES_LONGER * (time.monotonic() - begun)
    answer = await get(UNASKED, worker, spec, limit)
    if serves(answer):
        return Tried(True)
    who = f"{elder.slot_name} of generation {elder.generation}"
    bad = serves(better) and (answer.status is not None or answer.why.startswith("closed"))
    return Tried(False, f"GET {UNASKED}: {answer.why}, where {who} gives {better.why}", bad)


async def first_that_serves(elders: Sequence[Elder], timeout: float) -> tuple[Worker, Answer]:
    """Whichever answers well first; where none does, the last that was heard of."""

    async def one(worker: Worker, spec: PoolSpec) -> tuple[Worker, Answer]:
        return worker, await get(UNASKED, worker, spec, timeout)

    tasks = [asyncio.create_task(one(*elder)) for elder in elders[:ASKED]]
    try:
        for task in asyncio.as_completed(tasks):
            found = await task
            if serves(found[1]):
                break
        return found
    finally:
        for asked in tasks:
            asked.cancel()


def serves(answer: Answer) -> bool:
    """An answer that is no failure of the server's."""
    return answer.status is not None and answer.status < 500


def met_others(answer: Answer) -> bool:
    """On a shared socket it is chance who answers: this worker was not met."""
    return answer.why.startswith("another worker answered")


async def get(path: str, worker: Worker, spec: PoolSpec, timeout: float) -> Answer:
    assert worker.pid is not None
    return await ask(
        Question(http=path),
        worker.address or "",
        worker.pid,
        shared=spec.listen is not None,
        timeout=timeout,
        host=spec.probe_host,
    )
