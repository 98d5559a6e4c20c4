"""A rollout in an operator's hands: canary, pause, resume, abort, undo; and what may come between."""

import os
import signal

import pytest

from tests.load.running import load
from tests.whole.balancer import VERSIONS, balancer
from tests.whole.cluster import Cluster, Json, cluster, port_block
from tests.whole.rolling import Stage, configuration, load_plan, staged

pytestmark = pytest.mark.real

STAGE = Stage("embedded", 1, workers=3)


def generations(pool: Json) -> list[int]:
    return sorted(row["generation"] for row in pool["workers"] if row["phase"] == "ready")


def change(made: Cluster, old: str, new: str) -> None:
    text = made.config.read_text()
    assert old in text
    made.config.write_text(text.replace(old, new))


def test_a_canary_holds_until_it_is_resumed_and_undo_goes_back() -> None:
    with staged(STAGE) as made, load(load_plan(made, STAGE, rate=150.0)) as running:
        change(made, "rollout = {", "rollout = { canary = 1,")
        made.must("reload")
        made.must("restart", "web", "--no-wait")
        made.until_pool(lambda p: p["rollout"] and p["rollout"]["phase"] == "holding", "the canary is held")
        made.until_pool(lambda p: generations(p) == [1, 1, 2], "one canary beside two of the old")
        assert "holding" in made.must("rollout", "status", "web")
        made.must("rollout", "resume", "web")
        made.until_pool(lambda p: generations(p) == [2, 2, 2] and p["rollout"] is None, "all are new")
        made.must("rollout", "undo", "web")
        result = running.stop()
        assert set(generations(made.pool())) != {2}
    assert result.failed == 0, result.summary()


def test_abort_puts_the_old_version_back() -> None:
    with staged(STAGE) as made, load(load_plan(made, STAGE, rate=150.0)) as running:
        made.must("restart", "web", "--no-wait")
        made.until_pool(lambda p: generations(p).count(2) >= 1, "one is new")
        made.must("rollout", "abort", "web")
        made.until_pool(lambda p: p["rollout"] is None and generations(p) == [1, 1, 1], "all are old again")
        result = running.stop()
    assert result.failed == 0, result.summary()


def test_a_paused_rollout_goes_no_further_and_survives_the_engine() -> None:
    with staged(STAGE) as made:
        made.must("restart", "web", "--no-wait")
        made.until_pool(lambda p: 2 in generations(p), "one is new")
        made.must("rollout", "pause", "web")
        os.kill(made.snapshot()["engine"]["pid"], signal.SIGKILL)
        made.until_pool(lambda p: p["rollout"] and p["rollout"]["phase"] == "paused", "still paused")
        made.until_pool(lambda p: generations(p) and len(p["workers"]) == 3, "the slot under way is finished")
        assert 1 in generations(made.pool())
        made.must("rollout", "resume", "web")
        made.until_pool(lambda p: generations(p) == [2, 2, 2] and p["rollout"] is None, "to its end")


def test_an_old_worker_that_crashes_in_a_rollout_is_made_up_for() -> None:
    with staged(STAGE) as made:
        made.must("restart", "web", "--no-wait")
        snapshot = made.until_pool(lambda p: 2 in generations(p), "one is new")
        last = next(row for row in snapshot["pools"][0]["workers"] if row["id"] == "web.2")
        os.kill(last["pid"], signal.SIGKILL)
        made.until_pool(lambda p: generations(p) == [2, 2, 2] and p["rollout"] is None, "it goes on to its end")


def test_a_scale_in_a_rollout_has_one_outcome() -> None:
    """It is taken (and all end in the new generation) or refused with the name of what holds the pool."""
    with staged(STAGE) as made:
        made.must("restart", "web", "--no-wait")
        ran = made.verb("scale", "web=5", "--no-wait")
        assert ran.code in (0, 5), ran
        if ran.code == 5:
            assert "restart web" in ran.err
        made.until_pool(lambda p: p["rollout"] is None, "the rollout ends", 30)
        made.until_pool(lambda p: set(generations(p)) == {2} and p["ready"] == p["desired"], "all are new")


@pytest.mark.parametrize("trouble", ["reload", "kill"])
def test_a_proxy_that_goes_away_in_a_rollout_holds_it_up_and_no_more(trouble: str) -> None:
    with balancer("2.8") as lb:
        stage = Stage("2.8", 1, workers=3)
        with cluster(configuration(stage, port_block(30), str(lb.socket))) as made:
            made.must("restart", "web", "--no-wait")
            made.until_pool(lambda p: 2 in generations(p), "one is new")
            if trouble == "reload":
                lb.reload()
            else:
                lb.stop()
                made.until(lambda s: not s["proxies"][0]["reachable"], "it is said to be gone")
                assert made.pool()["rollout"] is not None
                assert len(generations(made.pool())) >= 3, "nobody is stopped while nobody can be drained"
                lb.start()
            made.until_pool(lambda p: generations(p) == [2, 2, 2] and p["rollout"] is None, "to its end", 30)


def test_reloads_of_an_attached_proxy_and_a_killed_engine_in_a_rollout_lose_nothing() -> None:
    """Its servers are listed, its state saved, as docs/haproxy.md says; old processes carry their streams on."""
    first = port_block(30)
    listed = "\n".join(f"  server s{n} 127.0.0.1:{first + n} check inter 300ms" for n in range(8))
    stage = Stage(VERSIONS[-1], 1, workers=3)
    with balancer(stage.proxy, listed) as lb, cluster(configuration(stage, first, str(lb.socket))) as made:
        made.front = lb.front
        with load(load_plan(made, stage, rate=150.0, streams=3, sockets=3, held=3.0)) as running:
            made.until(lambda s: (s["pools"][0]["requests_per_second"] or 0) > 5, "traffic flows")
            made.must("restart", "web", "--no-wait")
            made.until_pool(lambda p: 2 in generations(p), "one is new")
            lb.save_state()
            lb.reload()
            engine = made.snapshot()["engine"]["pid"]
            os.kill(engine, signal.SIGKILL)
            made.until(
                lambda s: s["engine"]["pid"] != engine and s["proxies"][0]["reachable"], "the engine is back"
            )
            lb.save_state()
            lb.reload()
            made.until_pool(lambda p: generations(p) == [2, 2, 2] and p["rollout"] is None, "to its end", 60)
            result = running.stop()
        assert result.kinds["websocket"] > 3, "some were open across the reloads"
        assert result.failed == 0, f"{result.summary()}\n{made.story()}"


def test_a_stream_longer_than_the_drain_time_out_aborts_and_is_not_cut() -> None:
    with staged(STAGE) as made:
        change(made, 'drain_timeout = "20s"', 'drain_timeout = "1s"')
        made.must("reload")
        with load(load_plan(made, STAGE, rate=30.0, streams=3, sockets=3, held=8.0)) as running:
            made.until(lambda s: (s["pools"][0]["requests_per_second"] or 0) > 5, "traffic flows")
            ran = made.verb("restart", "web")
            assert ran.code == 1, ran
            assert "in flight" in ran.out + ran.err
            made.until_pool(lambda p: p["rollout"] is None and p["ready"] == 3, "put back", 30)
            result = running.stop()
    assert result.failed == 0, result.summary()
