"""A worker's address: its slot's own port first, a port that the proxy knows by another name last."""

from supervisor.core.ports import address_for
from supervisor.model.spec import PoolSpec

SPEC = PoolSpec(name="web", command=("web",), ports=(9001, 9003))


def test_a_slot_gets_its_own_port_where_it_is_free() -> None:
    assert address_for(SPEC, 1, [], lambda port: True) == "127.0.0.1:9002"


def test_a_port_that_is_used_or_taken_is_passed_over() -> None:
    assert address_for(SPEC, 1, ["127.0.0.1:9002"], lambda port: port != 9003) == "127.0.0.1:9001"


def test_a_port_known_by_another_slots_name_is_the_last_resort() -> None:
    shunned = ["127.0.0.1:9002"]
    assert address_for(SPEC, 1, [], lambda port: True, shunned) == "127.0.0.1:9003"
    assert address_for(SPEC, 1, ["127.0.0.1:9001", "127.0.0.1:9003"], lambda port: True, shunned) == shunned[0]


def test_with_every_port_in_use_there_is_none() -> None:
    assert address_for(SPEC, 0, [], lambda port: False) is None
