"""The page of one pool as lines: how it serves, its slots, what it costs, its spec, what happened to it."""

from collections import Counter
from collections.abc import Iterable, Sequence

from dashboard.history import CPU, MEMORY, RATE, summed
from dashboard.mirror import Mirror, WorkerView, serves
from dashboard.tui.facts import NAMED, beside, fact, folded, graph_lines, history, section
from dashboard.tui.ink import Line, Span, cell
from dashboard.tui.say import UNKNOWN, count, local, number, plural, size
from dashboard.tui.states import Look, phase
from dashboard.tui.widgets.graph import nice_top
from dashboard.tui.worker_columns import why
from dashboard.tui.worker_page import BESIDE, Detail, started_by
from supervisor.model.snapshot import PoolRow, UpstreamRow

MEGA = 1024.0 * 1024


def pool_page(mirror: Mirror, pool: PoolRow, width: int, detail: Detail) -> list[Line]:
    views = [view for view in mirror.workers.values() if view.pool.name == pool.name]
    lines = [*pool_head(pool), *not_well(views), ()]
    wide = width >= BESIDE
    each = (width - 3) // 2 if wide else width
    facts = [*pool_facts(mirror, pool, views, each), (), *started_by(detail, each)]
    graphs = pool_graphs(pool, views, each, 5 if wide else 3)
    lines += section("slots", slot_cells(pool, width))
    lines += beside(facts, graphs, width) if wide else [*facts, (), *graphs]
    if len(pools := mirror.snapshot.pools if mirror.snapshot else ()) > 1:
        lines += [(), *section("all pools (tab: the next)", all_pools(pools, pool.name))]
    names = {pool.name, *(view.worker.id for view in views)}
    return [*lines, *([] if len(pools) > 1 else [()]), *history(mirror.events, tuple(names))]


def pool_head(pool: PoolRow) -> list[Line]:
    look = pool_look(pool)
    word = "stopped" if pool.stopped else f"{pool.ready} of {plural(pool.desired, 'worker')} serve"
    lines: list[Line] = [((f"{look.glyph} {word}", look.token), (f"  generation {pool.generation}", "text"))]
    if pool.why:
        lines.append(((f"why {pool.why}", "warn"),))
    if pool.rollout is not None:
        rollout = pool.rollout
        lines.append(
            (
                (f"⟳ rollout {rollout.phase}: {rollout.replaced} of {rollout.total} replaced", "start"),
                ("  V: its page", "dim"),
            )
        )
    elif pool.last_rollout:
        lines.append((("last rollout ", "dim"), (local(pool.last_rollout), "text")))
    return [*lines, *(((f"▲ {warning}", "warn"),) for warning in pool.warnings)]


def not_well(views: Sequence[WorkerView], most: int = 4) -> list[Line]:
    """The workers of which there is something to say, and what."""
    told = [(view, said) for view in views if (said := why(view))]
    lines: list[Line] = []
    for view, said in told[:most]:
        look = phase(view.worker.phase)
        lines.append(((f"  {view.worker.id}  ", "strong"), (look.text(), look.token), (f"  {said}", "text")))
    if len(told) > most:
        lines.append(((f"  and {len(told) - most} more", "dim"),))
    return lines


def all_pools(pools: Sequence[PoolRow], chosen: str) -> list[Line]:
    """A row for each, with its sums."""
    wide = max(len(pool.name) for pool in pools)
    wide = max(4, min(wide, 24))
    lines: list[Line] = [((f"    {'POOL':<{wide}}  SERVING  GEN  CPU%   MEM   RPS  RST", "head"),)]
    for pool in pools:
        look = pool_look(pool)
        state = f"rollout {pool.rollout.phase}" if pool.rollout else "stopped" if pool.stopped else pool.why or ""
        deaths = sum(worker.restarts for worker in pool.workers)
        figures = f"{pool.generation:>4} {number(pool.cpu_percent):>5} {size(pool.rss_bytes):>5} "
        figures += f"{number(pool.requests_per_second):>5} {count(deaths):>4}"
        lines.append(
            (
                ("› " if pool.name == chosen else "  ", "key"),
                (f"{look.glyph} ", look.token),
                (f"{cell(pool.name, wide)}  ", "strong"),
                (f"{f'{pool.ready}/{pool.desired}':>7} ", look.token),
                (f"{figures}  ", "text"),
                (state, "warn"),
            )
        )
    return lines


def pool_look(pool: PoolRow) -> Look:
    return phase("stopped" if pool.stopped else "ready" if pool.ready >= pool.desired else "backing-off")


def pool_facts(mirror: Mirror, pool: PoolRow, views: Sequence[WorkerView], width: int) -> list[Line]:
    generations = Counter(view.worker.generation for view in views if view.worker.pid is not None)
    said = ", ".join(f"{count} of generation {number}" for number, count in sorted(generations.items()))
    deaths = sum(view.worker.restarts for view in views)
    lines = [
        fact("workers", said or "none runs"),
        fact("cpu", f"{number(pool.cpu_percent)} % of one core, all together"),
        fact("memory", f"{size(pool.rss_bytes)}, all together"),
        fact("requests", f"{number(pool.requests_per_second)}/s"),
        fact("restarts", str(deaths), "warn" if deaths else "text"),
        fact("operation", pool.operation or "none under way"),
    ]
    for path, upstream in upstreams(mirror, pool):
        well = sum(serves(backend) for backend in upstream.backends)
        said = f"{path}: {well} of {plural(len(upstream.backends), 'backend')} serve, {upstream.balance or UNKNOWN}"
        lines += folded(fact("upstream", said), width, NAMED)
    return lines


def upstreams(mirror: Mirror, pool: PoolRow) -> Iterable[tuple[str, UpstreamRow]]:
    for proxy in mirror.snapshot.proxies if mirror.snapshot else ():
        for upstream in proxy.upstreams:
            if upstream.pool == pool.name:
                yield f"{proxy.name}/{upstream.name}", upstream


def slot_cells(pool: PoolRow, width: int) -> list[Line]:
    """One cell a row of the pool, and how many there are of each kind."""
    looks = [phase(worker.phase) for worker in pool.workers]
    each = max(1, (width - 2) // 2)
    lines: list[Line] = []
    for start in range(0, len(looks), each):
        lines.append((("  ", "text"), *((look.glyph + " ", look.token) for look in looks[start : start + each])))
    kinds = Counter(looks)
    legend: list[Span] = [("  ", "text")]
    for look, many in kinds.items():
        legend.append((f"{look.glyph} {many} {look.word}   ", look.token))
    return [*lines, tuple(legend)] if lines else [(("  none", "dim"),)]


def pool_graphs(pool: PoolRow, views: Sequence[WorkerView], width: int, tall: int) -> list[Line]:
    cpu, memory, rate = (summed((view.history for view in views), which) for which in (CPU, MEMORY, RATE))
    top = nice_top([one / MEGA for one in memory], 1.0) * MEGA
    lines = graph_lines("CPU", number(pool.cpu_percent), "%", cpu, nice_top(cpu, 100.0), width, tall, "graph")
    rates = nice_top(rate, 10.0)
    lines += graph_lines("REQ/S", number(pool.requests_per_second), "", rate, rates, width, tall, "graph2")
    return [*lines, *graph_lines("MEM", size(pool.rss_bytes), "", memory, top, width, tall, "graph", size(top))]
