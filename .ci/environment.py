"""Makes a virtual environment with pip in it, also where Debian's python3-venv is not installed.

python3 .ci/environment.py .venv
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import venv

OLDEST = (3, 11)
INDEX = "https://pypi.org/pypi/pip/json"


def main(directory: str) -> int:
    if sys.version_info < OLDEST:
        found = sys.version.split()[0]
        print(f"{sys.executable} is Python {found}; 3.11 or newer is needed: make PYTHON=…", file=sys.stderr)
        return 1
    python = os.path.join(directory, "bin", "python")
    if not os.path.exists(python):
        venv.create(directory, with_pip=False, symlinks=True)
    if has_pip(python):
        return 0
    # In this order: what Python brings; a pip that is there; and from PyPI, for Debian without python3-venv.
    for bring in (from_python, from_system, from_index):
        with contextlib.suppress(OSError, LookupError, ValueError):
            bring(python)
        if has_pip(python):
            return 0
    print(f"no pip for {directory}: install python3-venv, or make {directory} with virtualenv", file=sys.stderr)
    return 1


def has_pip(python: str) -> bool:
    return quietly(python, "-m", "pip", "--version")


def from_python(python: str) -> None:
    quietly(python, "-m", "ensurepip", "--upgrade")


def from_system(python: str) -> None:
    quietly(sys.executable, "-m", "pip", "--python", python, "install", "pip")


def from_index(python: str) -> None:
    with urllib.request.urlopen(INDEX, timeout=60) as answer:
        files = json.load(answer)["urls"]
    wheel = next(file for file in files if file["packagetype"] == "bdist_wheel")
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, wheel["filename"])
        # A mirror may give addresses relative to its own.
        urllib.request.urlretrieve(urllib.parse.urljoin(INDEX, wheel["url"]), path)
        # A wheel is a zip file that Python can run from.
        quietly(python, f"{path}/pip", "install", path)


def quietly(*argv: str) -> bool:
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
