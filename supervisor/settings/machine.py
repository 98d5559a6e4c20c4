"""What `workers = "cores"` means here: the processors that this process may use."""

import os


def usable_cpus() -> int:
    """At least 1; the affinity mask where the system has one, else all processors."""
    if sys_affinity := getattr(os, "sched_getaffinity", None):
        return max(1, len(sys_affinity(0)))
    return os.cpu_count() or 1
