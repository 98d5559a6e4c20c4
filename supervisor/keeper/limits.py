"""Every bound of the keeper, in one place, each with its reason."""

LINE = 4 * 1024 * 1024
"""Longest line that the engine may send: a launch carries a whole environment and argv (ARG_MAX is 2 MB)."""

OUTBOX_CHATTY = 1024 * 1024
"""Unread bytes above which sd_notify messages are no longer passed on; the merged fields are told after `held`."""

OUTBOX = 16 * 1024 * 1024
"""Unread bytes above which the engine counts as hung: it is killed, and its successor is told what matters."""

EXITS = 10_000
"""Exits kept for an engine that does not acknowledge; beyond it the oldest are forgotten."""

RECORD_LINES = 2_000
"""Lines in workers.jsonl beyond the live ones before it is written anew."""

NOTIFY_BYTES = 8 * 1024
NOTIFY_FIELDS = 32
NOTIFY_BATCH = 64
"""Datagrams read in one turn of the loop, so that a flood of them starves nothing."""

KEEPER_LOG = 1024 * 1024
ENGINE_LOG = 5 * 1024 * 1024
"""Size above which engine.log is renamed to engine.log.1 at the engine's next start."""

LAST_WORDS = 4096
"""Bytes of an engine's log that are told where it does not come up."""

BACKLOG = 2048
API_BACKLOG = 512

BACKOFF_FIRST = 0.1
BACKOFF_LAST = 5.0
BACKOFF_UP = 0.4
"""The longest wait where the engine had come up: with its start it is back within a second."""

BACKOFF_FORGET = 10.0
"""Seconds that an engine must have lived for its death to be answered at once again."""

ENGINE_SILENT = 30.0
"""Seconds without a sign of life after which an engine counts as hung: it is killed, and its successor goes on."""

STEPS_ASIDE = 75
"""The engine's exit code when it makes room for its successor, who is started at once."""

NEVER_UP = 3
"""Deaths of an engine that never came up after which the keeper gives up, if it holds no worker."""

SWEEP = 0.003
"""Seconds after a death until what it left behind outside of its group is looked for."""

ENGINE_LEAVE = 10.0
"""Seconds that the engine has to end after it said `shutdown`."""

LAST_KILL = 5.0
"""Seconds that killed processes have to vanish before the keeper ends without them (state D)."""
