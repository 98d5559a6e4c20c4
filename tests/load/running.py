"""The load client as a process of its own beside a test, so that the test's own work does not slow it."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tests.load import tally
from tests.load.client import Plan
from tests.load.tally import Result


class Load:
    """A running load; `stop` lets requests in flight finish and returns what was counted."""

    def __init__(self, plan: Plan, directory: str) -> None:
        self.plan = plan
        self._result = Path(directory) / "result.json"
        fields = {k: v for k, v in asdict(plan).items() if k not in ("url", "seconds", "rate", "users")}
        command = [sys.executable, "-m", "tests.load.client", "--url", plan.url, "--until-input-ends"]
        command += ["--seconds", str(plan.seconds), "--rate", str(plan.rate), "--users", str(plan.users)]
        command += ["--plan", json.dumps(fields), "--result", str(self._result)]
        root = Path(__file__).parent.parent.parent
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=root
        )

    def stop(self) -> Result:
        """Ends the load, unless it has ended by itself."""
        assert self.process.stderr is not None
        _, errors = self.process.communicate(timeout=self.plan.timeout + self.plan.held + 20)
        assert self._result.exists(), errors.decode()
        return tally.read(self._result)

    def abandon(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        with contextlib.suppress(ValueError):
            self.process.communicate()


@contextlib.contextmanager
def load(plan: Plan) -> Iterator[Load]:
    """A load that ends with the block at the latest."""
    with tempfile.TemporaryDirectory(prefix="load-") as directory:
        made = Load(plan, directory)
        try:
            yield made
        finally:
            made.abandon()
