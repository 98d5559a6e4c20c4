"""Files that are read and files that are refused, each beside what is said about it."""

from pathlib import Path

import pytest

from supervisor.model.errors import BadConfig
from supervisor.model.spec import ClusterSpec
from supervisor.settings.reading import read

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "configs"
ENV = {"XDG_STATE_HOME": "/tmp/state"}


def load(path: Path) -> ClusterSpec:
    return read(str(path), ENV, root=False, cpus=2)


@pytest.mark.parametrize("file", sorted((HERE / "valid").glob("*.toml")), ids=lambda file: file.stem)
def test_a_valid_file_is_read(file: Path) -> None:
    assert load(file).source == str(file)


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.stem)
def test_an_example_is_valid_and_says_what_it_is_for(file: Path) -> None:
    assert load(file).pools
    assert file.read_text().startswith("# ")


@pytest.mark.parametrize("file", sorted((HERE / "invalid").glob("*.toml")), ids=lambda file: file.stem)
def test_a_refused_file_gets_all_its_problems_at_once(file: Path) -> None:
    """`NAME.problems` beside the file holds what is said, one problem a line."""
    with pytest.raises(BadConfig) as refused:
        load(file)
    said = "".join(f"{problem}\n" for problem in refused.value.problems)
    said = said.replace(str(HERE / "invalid"), "DIR")
    assert said == file.with_suffix(".problems").read_text()
