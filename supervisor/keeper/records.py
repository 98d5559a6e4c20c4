"""DIR/workers.jsonl: what is held and what ended, one line each, so that the next keeper knows what this one did.

    {"head": BOOT_ID, "number": N}                   first line: the last number given to an exit
    {"pid": P, "start_ticks": T, "serial": S, …}     a start, written by the child itself just before its exec,
                                                     so that no program ever runs that is not on record
    {"about": S, …}                                  a start that we are about to do the quick way …
    {"began": S, "pid": P, "start_ticks": T}         … and that it was done
    {"never": S}                                     that exec failed
    {"end": S, "exit": {…Exited}}                    an end; kept until
    {"ack": N}                                       the engine has journaled it
    {"sent": S, "signal": "TERM"}                    a signal that it was sent, which nobody need send again
    {"notified": S, "fields": {…}}                   what it told by sd_notify, merged, once it was READY
    {"listen": NAME, "address": A, "inode": I}       a listening socket; {"unlisten": NAME}
    {"engine": P, "start_ticks": T}

A line begins with a newline too: what a full disk or a crash has torn then costs one line, never the next one.
"""

import json
import os
from collections.abc import Callable
from typing import Any

from supervisor.keeper import limits
from supervisor.keeper.protocol import Message, encode

Record = dict[str, Any]
Fits = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    """Without lone surrogates, which the engine would not take."""
    return isinstance(value, str) and value == value.encode("utf-8", "replace").decode()


def _is_time(value: Any) -> bool:
    """Neither infinite nor NaN."""
    return isinstance(value, int | float) and abs(value) < 1e15


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and abs(value) < 1 << 63


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(part) for pair in value.items() for part in pair)


WORKER: dict[str, Fits] = {
    "name": _is_text,
    "started": _is_time,
    "started_wall": _is_time,
    "log": lambda value: isinstance(value, str),
    "listen": _are_texts,
    "note": _is_mapping,
}
"""What the record of a worker has beside pid, start ticks, serial and boot, without which it is none."""
EXIT: dict[str, Fits] = {
    "type": lambda value: value == "Exited",
    "serial": _is_whole,
    "pid": _is_whole,
    "at": _is_time,
    "code": lambda value: value is None or _is_whole(value),
    "signal": lambda value: value is None or _is_text(value),
    "known": lambda value: isinstance(value, bool),
    "oom": lambda value: isinstance(value, bool),
}


def complete(record: Record, bare: Record) -> None:
    """A damaged line may have lost any key, or have another kind of value there: `bare` has a true one."""
    for key, fits in WORKER.items():
        if not fits(record.get(key)):
            record[key] = bare[key]
    if not _are_texts(record.get("signals", [])):
        del record["signals"]


class Register:
    """The records in memory, and their file; a file that cannot be written is tried again at the next occasion."""

    def __init__(self, directory: str, boot: str, log: Callable[[str], None]) -> None:
        self._path = os.path.join(directory, "workers.jsonl")
        self.boot = boot
        self._log = log
        self._lines = 0
        self.fd = -1
        self.dirty = False
        """The file lacks something that memory has."""
        self.number = 0
        self.live: dict[int, Record] = {}
        self.exits: dict[int, Message] = {}
        self.listening: dict[str, Record] = {}
        self.engine: Record = {}
        self.old_boot = False

    def load(self) -> None:
        """Reads what is left of an earlier keeper; raises OSError when the file is there and cannot be read."""
        try:
            with open(self._path, "rb") as file:
                for line in file:
                    self._take(line)
        except FileNotFoundError:
            pass
        if self.old_boot:
            self.listening, self.engine = {}, {}

    def _take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
            if isinstance(record, dict):
                self._apply(record)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            if line.strip():
                self._log("workers.jsonl: a torn line was passed over")

    def _apply(self, record: Record) -> None:
        match record:
            case {"head": boot, "number": int(number)}:
                self.old_boot = boot != self.boot
                self.number = max(self.number, number)
            case {"pid": int(), "start_ticks": int(), "serial": int(serial), "boot": str(), "name": str()}:
                self.live[serial] = record
            case {"about": int(serial), "boot": str(), "name": str()}:
                del record["about"]
                self.live[serial] = {**record, "pid": 0, "start_ticks": 0, "serial": serial}
            case {"began": int(serial), "pid": int(), "start_ticks": int()} if serial in self.live:
                del record["began"]
                self.live[serial] |= record
            case {"never": int(serial)}:
                self.live.pop(serial, None)
            case {"end": int(serial), "exit": {"number": int(number)} as told}:
                self.live.pop(serial, None)
                if all(key in told and fits(told[key]) for key, fits in EXIT.items()):
                    self.number = max(self.number, number)
                    self.exits[number] = told
            case {"ack": int(number)}:
                self.exits.pop(number, None)
            case {"sent": int(serial), "signal": str(name)} if serial in self.live:
                self.live[serial].setdefault("signals", []).append(name)
            case {"notified": int(serial), "fields": fields} if serial in self.live and _is_mapping(fields):
                self.live[serial]["fields"] = fields
            case {"listen": str(name), "address": str(), "inode": int()}:
                self.listening[name] = record
            case {"unlisten": str(name)}:
                self.listening.pop(name, None)
            case {"engine": int(), "start_ticks": int()}:
                self.engine = record

    def about(self, record: Record) -> None:
        """Before a start, so that no program ever runs that is not on record."""
        self._write({"about": record["serial"], **record})

    def arrived(self, record: Record) -> None:
        self.live[record["serial"]] = record
        self._write({"began": record["serial"], "pid": record["pid"], "start_ticks": record["start_ticks"]})

    def began(self, record: Record) -> None:
        """The child has written its line; this is memory's side of it."""
        self.live[record["serial"]] = record
        self._lines += 1

    def never(self, serial: int) -> None:
        self.live.pop(serial, None)
        self._write({"never": serial})

    def next_exit(self, told: Message) -> Message:
        """Numbers an exit and keeps it; `ended` then writes it, after the engine has heard."""
        self.number += 1
        told = {"type": "Exited", "number": self.number, **told}
        self.exits[self.number] = told
        if len(self.exits) > limits.EXITS:
            del self.exits[next(iter(self.exits))]
        return told

    def ended(self, told: Message) -> None:
        self.live.pop(told["serial"], None)
        self._write({"end": told["serial"], "exit": told})

    def acknowledged(self, number: int) -> None:
        if self.exits.pop(number, None):
            self._write({"ack": number})

    def sent(self, serial: int, name: str) -> None:
        if record := self.live.get(serial):
            record.setdefault("signals", []).append(name)
            self._write({"sent": serial, "signal": name})

    def notified(self, serial: int, fields: dict[str, str]) -> None:
        if record := self.live.get(serial):
            record["fields"] = fields
            self._write({"notified": serial, "fields": fields})

    def listens(self, name: str, address: str, inode: int) -> None:
        self.listening[name] = {"listen": name, "address": address, "inode": inode}
        self._write(self.listening[name])

    def listens_no_more(self, name: str) -> None:
        if self.listening.pop(name, None):
            self._write({"unlisten": name})

    def engine_began(self, pid: int, ticks: int) -> None:
        self.engine = {"engine": pid, "start_ticks": ticks}
        self._write(self.engine)

    @property
    def wants_compacting(self) -> bool:
        return self.dirty or self._lines > limits.RECORD_LINES + 4 * len(self.live)

    def compact(self) -> None:
        """Writes the file anew. Not while a child is on its way to exec: it may still write to the old one."""
        records: list[Record] = [{"head": self.boot, "number": self.number}]
        records += self.listening.values()
        records += [self.engine] if self.engine else []
        records += [{"end": told["serial"], "exit": told} for told in self.exits.values()]
        for record in self.live.values():
            records.append({key: value for key, value in record.items() if key != "fields"})
            if "fields" in record:
                records.append({"notified": record["serial"], "fields": record["fields"]})
        new = self._path + ".new"
        try:
            fd = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                data = b"".join(line(record) for record in records)
                if os.write(fd, data) < len(data):
                    raise OSError("no space left on device")
                os.rename(new, self._path)
            except OSError:
                os.close(fd)
                raise
        except OSError as error:
            self.dirty = True
            self._log(f"workers.jsonl: {error}; the records stay in memory, and it is tried again")
            return
        if self.fd >= 0:
            os.close(self.fd)
        self.fd, self._lines, self.dirty = fd, 0, False

    def forget_all(self) -> None:
        """Nothing is held any more: the file goes, but for the numbers, which must never be given twice."""
        self.live, self.listening, self.engine = {}, {}, {}
        self.compact()

    def _write(self, record: Record) -> None:
        self._lines += 1
        data = line(record)
        try:
            if os.write(self.fd, data) < len(data):
                self.dirty = True
        except OSError:
            self.dirty = True


def line(record: Record) -> bytes:
    return b"\n" + encode(record)
