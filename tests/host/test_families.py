"""Which process belongs to which worker, told by parents and process groups alone."""

from supervisor.host.families import Families
from supervisor.host.proc import Stat

KEEPER = 2


class Machine:
    """Processes as pid -> (parent, group), and a count of what was read."""

    def __init__(self, processes: dict[int, tuple[int, int]]) -> None:
        self.processes = processes
        self.read: list[int] = []

    def stat(self, pid: int) -> Stat | None:
        self.read.append(pid)
        if pid not in self.processes:
            return None
        parent, group = self.processes[pid]
        return Stat(parent, group, 0, 0, 1, 1, 1)

    def look(self, families: Families, *roots: int) -> list[list[int]]:
        families.refresh(set(self.processes), roots, self.stat)
        return [sorted(families.members(root)) for root in roots]


def test_children_and_grandchildren_belong_to_their_worker() -> None:
    machine = Machine({2: (1, 2), 10: (KEEPER, 10), 11: (10, 10), 12: (11, 12), 20: (KEEPER, 20), 21: (20, 20)})
    assert machine.look(Families(), 10, 20) == [[11, 12], [21]]


def test_each_process_is_read_once_however_often_we_look() -> None:
    machine = Machine({2: (1, 2), 10: (KEEPER, 10), 11: (10, 10)})
    families = Families()
    for _ in range(3):
        machine.look(families, 10)
    machine.processes[12] = (11, 10)
    assert machine.look(families, 10) == [[11, 12]]
    assert sorted(machine.read) == [2, 10, 11, 12]


def test_a_double_fork_stays_by_its_process_group() -> None:
    assert Machine({2: (1, 2), 10: (KEEPER, 10), 13: (KEEPER, 10)}).look(Families(), 10) == [[13]]


def test_a_grandchild_whose_parent_died_stays_though_it_leads_a_session_of_its_own() -> None:
    machine = Machine({2: (1, 2), 10: (KEEPER, 10), 11: (10, 10), 12: (11, 12)})
    families = Families()
    machine.look(families, 10)
    del machine.processes[11]
    machine.processes[12] = (KEEPER, 12)
    assert machine.look(families, 10) == [[12]]
    machine.processes[14] = (12, 12)
    assert machine.look(families, 10) == [[12, 14]]


def test_a_worker_that_comes_later_finds_children_that_were_seen_before() -> None:
    machine = Machine({2: (1, 2), 10: (KEEPER, 10), 11: (10, 10)})
    families = Families()
    machine.look(families)
    assert machine.look(families, 10) == [[11]]


def test_members_of_a_worker_that_is_gone_are_nobodys_and_its_pid_can_be_anothers() -> None:
    machine = Machine({2: (1, 2), 10: (KEEPER, 10), 11: (10, 11)})
    families = Families()
    machine.look(families, 10)
    machine.processes = {2: (1, 2), 11: (KEEPER, 11)}
    machine.look(families)
    machine.processes = {2: (1, 2), 10: (KEEPER, 10), 11: (KEEPER, 11)}
    assert machine.look(families, 10) == [[]]


def test_a_process_that_vanishes_before_it_is_read_is_left_out() -> None:
    families = Families()
    machine = Machine({2: (1, 2), 10: (KEEPER, 10)})
    families.refresh({2, 10, 99}, (10,), machine.stat)
    assert families.members(10) == []
