"""A second socket, for those who may look and not touch: a group's, on a path that its members can reach."""

import contextlib
import grp
import os
import socket
import stat

from starlette.types import ASGIApp, Receive, Scope, Send

from supervisor.api.door import Door
from supervisor.api.problems import answer
from supervisor.api.serving import serve
from supervisor.model.text import reason

LOOKING = ("GET", "HEAD")


class ReadOnly:
    """Refuses every request that could change something, before anybody else sees it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in LOOKING:
            detail = "this socket is for looking alone; changes go through the owner's"
            await answer(403, "read_only", detail, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def offer(door: Door, path: str, group: str | None) -> None:
    """Serve looking alone on `path` until cancelled. Raises OSError with what is wrong in words."""
    listener = bind(path, group)
    try:
        await serve(door, listener, ReadOnly)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(path)


def bind(path: str, group: str | None) -> socket.socket:
    """Mode 0600, or 0660 for a group. A stale socket is replaced; anything else that lies there is not ours."""
    try:
        number = -1 if group is None else grp.getgrnam(group).gr_gid
    except KeyError:
        raise OSError(f"read-only socket {path}: there is no group {group}") from None
    refuse_living(path)
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Nobody may connect until the group is set.
    before = os.umask(0o177)
    try:
        end.bind(path)
        os.chown(path, -1, number)
        os.chmod(path, 0o600 if group is None else 0o660)
        end.listen(512)
    except OSError as error:
        end.close()
        raise OSError(f"read-only socket {path}: {reason(error)}") from None
    finally:
        os.umask(before)
    return end


def refuse_living(path: str) -> None:
    """Unlinks what nobody listens on. Raises OSError where somebody does, and where it is no socket."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(f"read-only socket {path}: something else lies there")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        except OSError:
            pass
    raise OSError(f"read-only socket {path}: somebody listens on it already")
