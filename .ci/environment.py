"""Makes a virtual environment with pip in it, also where Debian's python3-venv is not installed.

python3 .ci/environment.py .venv
"""

import contextlib
import glob
import os
import subprocess
import sys
import tempfile
import venv

OLDEST = (3, 11)


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
    # In this order: what Python brings; a pip that is there; Debian's.
    for bring in (from_python, from_system, from_debian):
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


def from_debian(python: str) -> None:
    """Debian's wheel of pip, unpacked but not installed: that takes no root."""
    with tempfile.TemporaryDirectory() as place:
        for made in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(place, made))
        apt = ("apt-get", "-o", f"Dir::State::Lists={place}/lists", "-o", f"Dir::Cache={place}/cache")
        quietly(*apt, "update")
        quietly(*apt, "download", "python3-pip-whl", cwd=place)
        for package in glob.glob(f"{place}/*.deb"):
            quietly("dpkg-deb", "-x", package, place)
        for wheel in glob.glob(f"{place}/usr/share/python-wheels/pip-*.whl"):
            quietly(python, f"{wheel}/pip", "install", "pip")


def quietly(*argv: str, cwd: str | None = None) -> bool:
    done = subprocess.run(argv, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
