"""A recording: what is written comes back, a bound holds, and of a damaged file what is whole is shown."""

import gzip
import json
import os
import random
from itertools import pairwise
from pathlib import Path

import pytest

from dashboard.answers import Refused
from dashboard.recording import Recorder
from dashboard.replaying import NoRecording, Replay
from dashboard.tee import Tee
from supervisor.model.events import Event
from supervisor.model.snapshot import Snapshot
from tests.dashboard.tui.simulated import START, Simulated

LARGE = 1 << 30


def recorded(path: Path, seconds: int, limit: int = LARGE, web: int = 3) -> list[Snapshot | Event]:
    """A file with a picture and an event for each second; what was put into it."""
    source = Simulated(web=web)
    recorder = Recorder(path, limit)
    put: list[Snapshot | Event] = []
    for _ in range(seconds):
        source.second += 1
        source.say("info", "web.0", f"second {source.second}")
        put += [source.happened[-1], source.picture()]
        recorder.take(put[-2])
        recorder.take(put[-1])
    recorder.close()
    return put


async def pictures(replay: Replay) -> list[Snapshot]:
    times = await replay.past_times()
    return await replay.past(times[-1], len(times))


async def test_what_was_recorded_comes_back(tmp_path: Path) -> None:
    put = recorded(tmp_path / "rec", 10)
    replay = Replay(tmp_path / "rec")
    assert await pictures(replay) == put[1::2]
    assert [event for _, event in replay.events_seen] == put[::2]
    assert replay.trouble == ""
    replay.close()


async def test_pictures_and_events_are_found_by_their_time(tmp_path: Path) -> None:
    put = recorded(tmp_path / "rec", 10)
    replay = Replay(tmp_path / "rec")
    third = (await replay.past_times())[2]
    assert await replay.past(third, 2) == [put[3], put[5]]
    assert len(replay.happened_until(START.timestamp() + 3)) == 3
    replay.close()


def test_any_gunzip_reads_it_as_lines_of_json(tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 3)
    lines = gzip.decompress((tmp_path / "rec").read_bytes()).splitlines()
    kinds = ["snapshot" if "snapshot" in json.loads(line) else "event" for line in lines]
    assert kinds == ["event", "snapshot"] * 3


async def test_a_file_cut_anywhere_shows_what_is_whole_and_says_what_is_lost(tmp_path: Path) -> None:
    put = recorded(tmp_path / "rec", 5)
    whole = (tmp_path / "rec").read_bytes()
    for cut in random.Random(1).sample(range(2000, len(whole) - 1), 40):
        (tmp_path / "cut").write_bytes(whole[:cut])
        replay = Replay(tmp_path / "cut")
        found = await pictures(replay)
        assert found == put[1 : 2 * len(found) : 2]
        assert "of no whole record; the rest is shown" in replay.trouble or cut == 0
        replay.close()


async def test_damage_costs_only_the_record_it_hits(tmp_path: Path) -> None:
    put = recorded(tmp_path / "rec", 6)
    whole = (tmp_path / "rec").read_bytes()
    chance = random.Random(2)
    for _ in range(60):
        at = chance.randrange(len(whole))
        hurt = bytearray(whole)
        hurt[at : at + 4] = chance.randbytes(4)
        (tmp_path / "hurt").write_bytes(hurt)
        replay = Replay(tmp_path / "hurt")
        found = await pictures(replay)
        assert len(found) + len(replay.events_seen) >= 10, at
        assert all(picture in put for picture in found)
        replay.close()


def test_a_file_that_is_no_recording_says_so(tmp_path: Path) -> None:
    for content, said in (
        (b"", "no picture is in it"),
        (os.urandom(9000), "not a recording"),
        (b"[cluster]", "not a"),
    ):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(NoRecording, match=said):
            Replay(tmp_path / "x")


def test_what_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "rec").write_text("dear")
    with pytest.raises(FileExistsError):
        Recorder(tmp_path / "rec", LARGE)


async def test_at_its_bound_the_file_gets_coarser_and_keeps_the_whole_time(tmp_path: Path) -> None:
    limit = 60_000
    recorded(tmp_path / "rec", 300, limit, web=10)
    size = (tmp_path / "rec").stat().st_size
    replay = Replay(tmp_path / "rec")
    seconds = [picture.revision - 1 for picture in await pictures(replay)]
    assert limit / 4 < size <= limit
    assert seconds[0] == 1
    assert seconds[-1] > 280
    assert max(later - earlier for earlier, later in pairwise(seconds)) <= 48
    assert not (tmp_path / "rec.new").exists()
    replay.close()


def test_a_recording_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 200, 40_000)
    assert (tmp_path / "rec").stat().st_mode & 0o777 == 0o600


async def test_nothing_can_be_asked_of_a_recording(tmp_path: Path) -> None:
    recorded(tmp_path / "rec", 1)
    replay = Replay(tmp_path / "rec")
    with pytest.raises(Refused, match="nothing can be changed"):
        await replay.ask("PATCH", "/v1/pools/web", {"desired": 4})
    replay.close()


async def test_a_full_disk_ends_the_recording_and_not_the_watching(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "rec", LARGE)
    recorder.close()
    recorder._fd = os.open("/dev/full", os.O_WRONLY)
    tee = Tee(Simulated(), recorder)
    assert isinstance(await anext(aiter(tee.watch())), Snapshot)
    assert tee.recording == "REC FAILED: No space left on device"
    recorder.close()
