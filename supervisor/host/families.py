"""Which processes belong to which worker: the live descendants of each, found by reading only new processes.

A pass over the whole of /proc costs 30 µs a process; listing its names costs 0.5. So each process is read once,
when its pid is first seen, and again only when its parent vanished.

A descendant is the child of one, or a process in the worker's own process group (a double fork that lost its
parent between two looks). Once found it stays the worker's until it dies, also when its parent dies before it:
the keeper ends such strays with their worker, so their cost is the worker's too.
"""

from collections.abc import Callable, Iterable

from supervisor.host.proc import Stat


class Families:
    """Pure bookkeeping: the caller lists the pids and lends a reader for the new ones."""

    def __init__(self) -> None:
        self._above: dict[int, tuple[int, int]] = {}
        """pid -> parent, process group; of every process on the machine."""
        self._root: dict[int, int] = {}
        """Member -> pid of the worker that it belongs to; the workers themselves are not in it."""
        self._roots: frozenset[int] = frozenset()
        self._members: dict[int, list[int]] = {}

    def refresh(self, pids: set[int], roots: Iterable[int], read: Callable[[int], Stat | None]) -> None:
        """Bring the picture up to date with the pids that exist now and the workers asked about."""
        wanted = frozenset(roots)
        gone = self._above.keys() - pids
        fresh = pids - self._above.keys()
        if not gone and not fresh and wanted == self._roots:
            return
        for pid in gone:
            del self._above[pid]
            self._root.pop(pid, None)
        if gone:
            fresh |= {pid for pid, (parent, _) in self._above.items() if parent in gone}
        for pid in fresh:
            if stat := read(pid):
                self._above[pid] = (stat.parent, stat.group)
        self._root = {pid: root for pid, root in self._root.items() if root in wanted and pid not in wanted}
        # A worker that is another's descendant cannot be: the keeper is the parent of all.
        candidates = self._above.keys() if wanted != self._roots else fresh
        self._roots = wanted
        self._adopt(sorted(set(candidates) - wanted - self._root.keys()))
        self._members = {}
        for pid, root in self._root.items():
            self._members.setdefault(root, []).append(pid)

    def members(self, root: int) -> list[int]:
        """The live descendants of the worker with this pid, as of the last refresh."""
        return self._members.get(root, [])

    def _adopt(self, candidates: Iterable[int]) -> None:
        for pid in candidates:
            path: list[int] = []
            at = pid
            while at in self._above and at not in path:
                path.append(at)
                parent, group = self._above[at]
                if root := self._belongs(at, parent, group):
                    self._root.update(dict.fromkeys(path, root))
                    break
                at = parent

    def _belongs(self, pid: int, parent: int, group: int) -> int | None:
        if pid in self._root:
            return self._root[pid]
        for above in (parent, group):
            if above in self._roots:
                return above
        return None
