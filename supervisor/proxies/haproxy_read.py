"""HAProxy's answers, read: `show info`, `show stat` by column name, `show servers state`, into our records.

Columns: HAProxy management guide, "CSV format"; bits of srv_admin_state: include/haproxy/server-t.h, SRV_ADMF_*.
"""

import csv
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import itemgetter

from msgspec import Struct
from msgspec.structs import replace

from supervisor.model.backends import Backend, Upstream
from supervisor.model.errors import ProxyRefused, ProxyUnreachable
from supervisor.model.phases import Health, Rotation
from supervisor.model.text import clean
from supervisor.proxies.haproxy_text import OURS_FROM, OURS_TO, joined

# FMAINT, IMAINT (tracked), RMAINT (resolution), HMAINT. CMAINT (4, "disabled" in the configuration) is only a
# memory of the configuration: it stays set after `state ready`, so it says nothing about now.
MAINT_BITS = 1 | 2 | 32 | 64
HELD_BITS = 2 | 32
DRAIN_BITS = 8 | 16

_READ = (
    *("pxname", "svname", "qcur", "scur", "stot", "status", "weight", "check_status", "check_code", "last_chk"),
    *("check_desc", "econ", "eresp", "hrsp_5xx", "rtime"),
)
_OPTIONAL = ("req_tot", "mode", "cookie", "algo")
# Not among them: lastchg, downtime and their like, which count seconds and would make every row new each second.
_COUNTERS = (
    *("smax", "slim", "qmax", "bin", "bout", "wretr", "wredis", "cli_abrt", "srv_abrt"),
    *("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "qtime", "ctime", "ttime", "chkfail", "chkdown"),
    *("throttle", "srv_icur", "srid"),
)
_FROM_COUNTERS = len(_READ) + len(_OPTIONAL)


class Info(Struct, frozen=True, kw_only=True):
    """Which HAProxy answered."""

    version: str
    pid: int
    epoch: str
    description: str = ""
    """As its configuration says; an embedded one's names the frame that is in force."""

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor number; (0, 0) when it gives none."""
        found = re.match(r"(\d+)\.(\d+)", self.version)
        return (int(found[1]), int(found[2])) if found else (0, 0)


class Seat(Struct, frozen=True):
    """What `show servers state` knows of one server."""

    address: str
    admin: int
    number: int

    @property
    def rotation(self) -> Rotation:
        if self.admin & MAINT_BITS:
            return Rotation.MAINT
        return Rotation.DRAIN if self.admin & DRAIN_BITS else Rotation.READY

    @property
    def held(self) -> bool:
        """In maint for what it tracks, or for a name without an address: its own state puts it back nowhere."""
        return self.admin & MAINT_BITS != 0 and not self.admin & MAINT_BITS & ~HELD_BITS

    @property
    def marked(self) -> bool:
        return OURS_FROM <= self.number <= OURS_TO


class Rights(Struct, frozen=True):
    """What the socket that we speak through may do, and which upstreams have a stick table."""

    level: str
    tables: frozenset[str]


Seats = dict[str, dict[str, Seat]]
Row = tuple[str, ...]
Memo = dict[tuple[str, str], tuple[Row, Seat, Backend]]
"""What was read last, so that a row that says the same again costs no new records: most of them, mostly."""


Parts = tuple[str, str, str, str]
"""The answer to `questions`, cut apart: rights, info, stat, state."""


def parts(answer: str) -> Parts:
    """Complete, or ProxyUnreachable."""
    state_at = answer.rfind("\n# be_id ")
    stat_at = answer.find("# pxname,")
    info_at = answer.find("Name: ")
    if min(info_at, stat_at, state_at) < 0 or not info_at < stat_at < state_at:
        raise ProxyUnreachable(f"it hung up before a whole answer: {clean(answer[-200:])!r}")
    if not answer.endswith("\n\n"):
        raise ProxyUnreachable("it hung up in the middle of an answer")
    return answer[:info_at], answer[info_at:stat_at], answer[stat_at:state_at], answer[state_at + 1 :]


def parse_rights(text: str) -> Rights:
    """`show cli level` and `show table`: `# table: app, type: ip, size:1024, used:0`."""
    lines = text.split()
    level = lines[0] if lines and lines[0] in ("user", "operator", "admin") else "admin"
    tables = [line[9:].split(",", 1)[0] for line in text.split("\n") if line.startswith("# table: ")]
    return Rights(level, frozenset(tables))


def parse_info(text: str) -> Info:
    found = dict(line.split(": ", 1) for line in text.split("\n") if ": " in line)
    pid = found.get("Pid", "0")
    version = clean(found.get("Version", "unknown"), 40).split("-", 1)[0]
    start = found.get("Start_time_sec", "")  # since 2.4
    description = clean(found.get("description", ""), 80)
    return Info(
        version=version, pid=int(pid) if pid.isdigit() else 0, epoch=f"{pid}:{start}", description=description
    )


def parse_numbers(stat: str) -> dict[str, int]:
    """HAProxy's own number of each upstream, constant for the life of a process."""
    header, _, body = stat.removeprefix("# ").partition("\n")
    at = header.split(",").index("iid")
    rows = (row for row in _rows(body, at + 1) if len(row) > at + 1)
    return {row[0]: int(row[at]) for row in rows if row[1] == "BACKEND"}


def parse_state(text: str) -> Seats:
    """Address, admin state and id of each server, by upstream and name."""
    lines = text.split("\n")
    columns = {word: at for at, word in enumerate(lines[0].removeprefix("# ").split())}
    wanted = ("be_name", "srv_name", "srv_addr", "srv_port", "srv_admin_state", "srv_id")
    if missing := [word for word in wanted if word not in columns]:
        raise ProxyRefused(f"`show servers state` has no {', '.join(missing)}")
    numbers = [columns[word] for word in wanted]
    take: Callable[[list[str]], Row] = itemgetter(*numbers)
    most = max(numbers) + 1
    seats: Seats = {}
    for line in lines[1:]:
        words = line.split(" ", most)
        if len(words) < most:
            continue
        upstream, server, ip, port, admin, number = take(words)
        seats.setdefault(upstream, {})[server] = _seat(ip, port, admin, number)
    return seats


@lru_cache(maxsize=8192)
def _seat(ip: str, port: str, admin: str, number: str) -> Seat:
    # A unix socket's path is told nowhere; "-" and port 0 are all there is.
    return Seat("unix" if ip == "-" else joined(ip, port), int(admin), int(number))


def parse_stat(
    text: str, seats: Seats, tables: frozenset[str], *, ours: bool, known: Memo | None = None
) -> tuple[tuple[Upstream, ...], Memo]:
    """Upstreams with their backends, in the order in which HAProxy has them, and what to pass as `known` next time.

    `ours`: every server is ours to take out (embedded); else those that carry our mark.
    """
    header, _, body = text.removeprefix("# ").partition("\n")
    take, width = _taker(header.split(","))
    known = known or {}
    memo: Memo = {}
    upstreams: list[Upstream] = []
    backends: list[Backend] = []
    for cells in _rows(body, width):
        if len(cells) <= width:  # the empty line at the end
            continue
        cells[width:] = ("",)
        row = take(cells)
        if row[1] == "BACKEND":
            upstreams.append(_upstream(row, backends, tables))
            backends = []
            continue
        key = (row[0], row[1])
        seat = seats.get(row[0], {}).get(row[1])
        if seat is None:  # deleted between the two answers
            continue
        before = known.get(key)
        if before is None or before[0] != row or before[1] != seat:
            before = (row, seat, _backend(row, seat, ours or seat.marked))
        memo[key] = before
        backends.append(before[2])
    return tuple(upstreams), memo


def _taker(header: list[str]) -> tuple[Callable[[list[str]], Row], int]:
    """From a row's cells to those that we read, in the order of our tables, and how many cells that takes.

    A column that this version lacks is read from the cell behind those, which the caller makes empty.
    """
    columns = {word: at for at, word in enumerate(header)}
    if missing := [word for word in _READ if word not in columns]:
        raise ProxyRefused(f"`show stat` has no column {', '.join(missing)}")
    words = (*_READ, *_OPTIONAL, *_COUNTERS)
    width = 1 + max(columns[word] for word in words if word in columns)
    return itemgetter(*(columns.get(word, width) for word in words)), width


def _upstream(row: Row, backends: list[Backend], tables: frozenset[str]) -> Upstream:
    econ, eresp, bad, _, req_tot, mode, cookie, algo = row[11:_FROM_COUNTERS]
    if cookie or row[0] in tables:
        backends = [replace(b, sticky=True) for b in backends]
    return Upstream(
        name=row[0],
        balance=algo or None,
        queued=_number(row[2]),
        backends=tuple(backends),
        requests_total=_number(req_tot or row[4]),
        # A failure to connect is none for the client that another server then answers: its status is.
        errors_total=int(econ or 0) + int(eresp or 0) if mode == "tcp" else int(bad or 0),
    )


def _backend(row: Row, seat: Seat, added: bool) -> Backend:
    (_, server, qcur, scur, stot, status, weight, check, code, last, described) = row[:11]
    econ, eresp, bad, rtime, req_tot, mode = row[11 : len(_READ) + 2]
    health, why = read_health(status, check, code, last or described)
    requests = _number(req_tot or stot)
    return Backend(
        name=server,
        address=seat.address,
        health=health,
        health_reason=why,
        rotation=seat.rotation,
        weight=_number(weight),
        in_flight=_number(scur),
        queued=_number(qcur),
        requests_total=requests,
        errors_total=int(econ or 0) + int(eresp or 0) + int(bad or 0),
        # In TCP mode there are no answers to be timed, and it says 0.
        response_ms=float(rtime) if rtime and requests and mode != "tcp" else None,
        added=added,
        held=seat.held,
        counters={word: cell for word, cell in zip(_COUNTERS, row[_FROM_COUNTERS:], strict=True) if cell},
    )


def read_health(status: str, check: str, code: str, said: str) -> tuple[Health, str | None]:
    """Health and its reason.

    HAProxy is optimistic: a server that just left maint is `UP` before any check, and with fall >= 2 it shows
    `UP 1/2` beside the old good result, a pair that no check can produce. That is `checking`, and so is INI.
    """
    word, _, fraction = status.partition(" ")
    check = check.removeprefix("* ")
    good = check.endswith("OK") or check == "L7OKC"
    reason: str | None = check
    if check and code and check.startswith("L7"):
        reason = f"{check} {code}"
    if said and not good:
        reason = f"{reason} {clean(said, 200)}".strip()
    if word == "MAINT":
        return Health.UNKNOWN, f"not checked in maint {fraction}".strip()
    if word == "no":
        return Health.UNKNOWN, "no check"
    if word == "DOWN":
        # An agent, or an operator, may call it down that its check calls good.
        return Health.DOWN, status if good else reason or status
    if word == "NOLB":
        return Health.DOWN, f"NOLB, no new requests: {reason}"
    if not check and word == "DRAIN":
        return Health.UNKNOWN, "no check"
    if not check and not fraction:
        return Health.UP, "as the server that it tracks"
    if check == "INI" or not check:
        return Health.CHECKING, "no check has ended yet"
    if good:
        if word == "UP" and fraction[:1].isdigit():
            return Health.CHECKING, "no check has ended since it left maint"
        return Health.UP, reason
    return (Health.UP, f"{reason}, going down ({fraction})") if fraction else (Health.UP, reason)


def _rows(body: str, width: int) -> Iterator[list[str]]:
    """Rows of the CSV. Quotes are rare, and plain splitting is twice as fast as the csv module."""
    lines = body.split("\n")
    if '"' in body:
        return iter(csv.reader(line + "\n" for line in lines))
    return (line.split(",", width) for line in lines)


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
