"""The steps of a plan, done at a HAProxy one command at a time, each reply read before the next is sent."""

from collections.abc import Awaitable, Callable

from supervisor.model.errors import ProxyRefused
from supervisor.model.phases import Rotation
from supervisor.model.spec import ProxySpec
from supervisor.proxies import haproxy_text
from supervisor.proxies.haproxy_plan import Add, Delete, Move, Turn

_COOKIE_SINCE = (2, 8)


class Hands:
    """For one `converge`. `cannot_add` is why servers cannot be added, or None."""

    def __init__(
        self,
        ask: Callable[[str], Awaitable[str]],
        spec: ProxySpec,
        release: tuple[int, int],
        cannot_add: str | None,
    ) -> None:
        self._ask = ask
        self._spec = spec
        # 2.6 refuses it: servers that are added there serve, and nobody sticks to them.
        self._cookie = release >= _COOKIE_SINCE
        self._cannot_add = cannot_add

    async def take_out(self, upstream: str, step: Turn | Delete) -> bool:
        """Whether it is done; a server that connections still hold stays, and is tried again another time."""
        match step:
            case Turn(server, _, to, _):
                await self._change(haproxy_text.set_rotation(upstream, server, to))
            case Delete(server):
                command = haproxy_text.delete_server(upstream, server)
                why = haproxy_text.refusal(command, await self._ask(command))
                if why is not None:
                    if haproxy_text.still_used(why):
                        return False
                    raise _refused(command, why)
        return True

    async def bring_in(self, upstream: str, step: Turn | Add | Move, marks: set[int]) -> None:
        """`marks`: the ids of ours that the upstream has; gets those of the new ones."""
        match step:
            case Turn(server, was, to, checked):
                if checked and was is Rotation.MAINT:
                    await self._change(haproxy_text.enable_health(upstream, server))
                await self._change(haproxy_text.set_rotation(upstream, server, to))
            case Add(server, _, rotation, _):
                await self._add(upstream, step, marks)
                await self._open(upstream, server, rotation)
            case Move(server, address, rotation):
                await self._change(haproxy_text.set_address(upstream, server, address))
                await self._open(upstream, server, rotation)

    async def _add(self, upstream: str, step: Add, marks: set[int]) -> None:
        if self._cannot_add is not None:
            raise ProxyRefused(f"cannot add {step.server} ({step.address}): {self._cannot_add}")
        mark: int | None = None
        if not self._spec.embedded:
            mark = next(n for n in range(haproxy_text.OURS_FROM, haproxy_text.OURS_TO) if n not in marks)
            marks.add(mark)
        await self._change(
            haproxy_text.add_server(
                upstream,
                step.server,
                step.address,
                self._spec.check,
                mark=mark,
                cookie=self._cookie,
                shared=step.shared,
            )
        )

    async def _open(self, upstream: str, server: str, rotation: Rotation) -> None:
        """Checks first, then the rotation: the other way round there is traffic with `no check`."""
        await self._change(haproxy_text.enable_health(upstream, server))
        if rotation is not Rotation.MAINT:
            await self._change(haproxy_text.set_rotation(upstream, server, rotation))

    async def _change(self, command: str) -> None:
        if why := haproxy_text.refusal(command, await self._ask(command)):
            raise _refused(command, why)


def _refused(command: str, why: str) -> ProxyRefused:
    if haproxy_text.denied(why):
        why = "permission denied: changes need `level admin` on its stats socket"
    return ProxyRefused(f"`{command}`: {why}")
