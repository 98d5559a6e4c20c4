"""Makes a virtual environment with pip in it, also where Debian's python3-venv is not installed.

python3 .ci/environment.py .venv
"""

import contextlib
import os
import shutil
import subprocess
import sys
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
    # In this order: what Python brings; a pip that is there; and Debian's package, where we may install it.
    for bring in (from_python, from_system, from_packages):
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


def from_packages(python: str) -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quietly("apt-get", "install", "-y", "python3-venv")
        from_python(python)


def quietly(*argv: str) -> bool:
    return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
