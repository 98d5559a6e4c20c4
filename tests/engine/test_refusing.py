"""Every refusal: its words name what is wrong and what to do, its code is the contract's, and nothing changes."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from supervisor.engine.asking import ask
from supervisor.engine.journal import copied
from supervisor.engine.planning import plan
from supervisor.model.errors import BadRequest
from supervisor.model.phases import Rotation
from supervisor.model.requests import AnyRequest, Reload, Restart, Rotate, Scale, Start, Steer, Stop
from tests.engine.test_transcripts import SPEC, begun
from tests.engine.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return begun(tmp_path)


def refused(world: World, request: AnyRequest) -> BadRequest:
    """The refusal; a dry run is refused alike, and neither changes anything."""
    before = copied(world.ledger.durable())
    with pytest.raises(BadRequest) as dry:
        plan(world.ledger, request)
    with pytest.raises(BadRequest) as wet:
        ask(world.desk, request, world.now, world.now)
    assert (type(dry.value), str(dry.value)) == (type(wet.value), str(wet.value))
    assert copied(world.ledger.durable()) == before
    return wet.value


@pytest.mark.parametrize(
    ("request_", "code", "exit_code", "words"),
    [
        (Scale(pool="wbe", desired=1), "unknown", 4, "no such pool: 'wbe' (there are: web)"),
        (Restart(target="web.9"), "unknown", 4, "no such worker: 'web.9' (there are: web.0, web.1, web.2)"),
        (Start(target="nobody.0"), "unknown", 4, "no such pool: 'nobody' (there are: web)"),
        (Scale(pool="web", desired=-1), "bad_spec", 2, "web cannot have -1 workers; it has 3"),
        (Scale(pool="web", change=-4), "bad_spec", 2, "web cannot have -1 workers; it has 3"),
        (Scale(pool="web"), "bad_spec", 2, "either desired or change is needed"),
        (Scale(pool="web", desired=10_001), "bad_spec", 2, "10000 is the most"),
        (Scale(pool="web", desired=99), "bad_spec", 2, "ports 9001-9099 have room for 98"),
        (Steer(pool="web", action="pause"), "conflict", 5, "web has no rollout under way"),
        (Steer(pool="web", action="undo"), "conflict", 5, "no earlier complete generation to go back to"),
        (Rotate(target="web", rotation=Rotation.DRAIN), "bad_spec", 2, "web has no backend: name one worker"),
        (Rotate(target="xx/web/web.0", rotation=Rotation.DRAIN), "unknown", 4, "no such proxy: 'xx'"),
        (Rotate(target="lb/xx/web.0", rotation=Rotation.DRAIN), "unknown", 4, "lb has no upstream 'xx'"),
        (Rotate(target="lb/web/xx", rotation=Rotation.DRAIN), "unknown", 4, "lb/web has no backend 'xx'"),
    ],
)
def test_what_cannot_be_is_refused(
    world: World, request_: AnyRequest, code: str, exit_code: int, words: str
) -> None:
    error = refused(world, request_)
    assert (error.code, error.exit_code) == (code, exit_code)
    assert words in str(error)


def test_a_pool_that_is_held_names_who_holds_it(world: World) -> None:
    operation = world.ask(Restart(target="web"))
    world.tick()
    for request in (Restart(target="web"), Stop(target="web.1"), Steer(pool="web", action="undo")):
        error = refused(world, request)
        assert (error.code, error.exit_code) == ("conflict", 5)
        assert f"held by {operation.id} (restart web)" in str(error)


def test_scaling_is_never_held(world: World) -> None:
    world.ask(Restart(target="web"))
    world.tick()
    world.ask(Scale(pool="web", desired=4))


def test_the_last_backend_that_serves_needs_a_yes(tmp_path: Path) -> None:
    world = begun(tmp_path, replace(SPEC, workers=1))
    request = Rotate(target="web.0", rotation=Rotation.MAINT)
    error = refused(world, request)
    assert (error.code, error.exit_code) == ("needs_yes", 5)
    world.ask(replace(request, yes=True))


def test_a_rotation_at_a_proxy_that_is_away_is_refused(world: World) -> None:
    world.reachable = False
    world.tick()
    error = refused(world, Rotate(target="web.0", rotation=Rotation.DRAIN))
    assert (error.code, error.exit_code) == ("conflict", 5)
    assert "lb cannot be reached: connection refused" in str(error)


def test_what_a_proxy_cannot_do_is_not_tried(world: World) -> None:
    state = world.ledger.proxies["lb"]
    state.capabilities = ("maint",)
    assert "cannot drain a backend" in str(refused(world, Rotate(target="web.0", rotation=Rotation.DRAIN)))


def test_a_stopped_worker_is_not_restarted(world: World) -> None:
    world.ask(Stop(target="web.1"))
    world.run(lambda: not any(o.running for o in world.ledger.operations.values()))
    error = refused(world, Restart(target="web.1"))
    assert "web.1 is stopped; `clusterctl start web.1` brings it back" in str(error)


def test_nothing_is_taken_on_while_the_cluster_goes_down(world: World) -> None:
    world.ledger.stopping = True
    for request in (Scale(pool="web", desired=1), Start(target="web"), Reload()):
        assert str(refused(world, request)) == "the cluster is going down"
