"""The EVO_ variables are checked at the door; files are written whole, and a full disk is called a full disk."""
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evo import disk, settings, zoo

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name, value, says", [
    ("EVO_BUDGET", "-3", "EVO_BUDGET='-3' must be a number of seconds above 0, or inf"),
    ("EVO_BUDGET", "0", "above 0"), ("EVO_BUDGET", "nan", "above 0"), ("EVO_BUDGET", "abc", "above 0"), ("EVO_BUDGET", "", "above 0"),
    ("EVO_BUDGET", "60 s", "above 0"), ("EVO_BUDGET", "-inf", "above 0"),
    ("EVO_TRAIN", "foo", "choose one of zoo, record, always"), ("EVO_TRAIN", "verfy", "did you mean verify?"),
    ("EVO_DEVICE", "gpu", "choose cpu, cuda or mps"),
    ("EVO_CACHE", __file__, "is a file: name a folder"), ("EVO_STAGE", __file__, "is a file: name a folder"),
    ("EVO_AUDIT", "[]", "must be a JSON object"), ("EVO_AUDIT", "mae", "must be a JSON object"),
    ("EVO_BUDGT", "5", "EVO_BUDGT is no setting of evo; did you mean EVO_BUDGET?"), ("EVO_CACHEDIR", "x", "did you mean EVO_CACHE?"),
    ("EVO_budget", "5", "did you mean EVO_BUDGET?"), ("EVO_DEVICES", "2", "did you mean EVO_DEVICE?"),
])  # fmt: skip
def test_a_wrong_setting_gives_one_sentence(name, value, says):
    with pytest.raises(settings.SettingError) as told:
        settings.check({"HOME": "/", name: value})
    assert says in str(told.value) and name in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("name, value", [
    ("EVO_BUDGET", "8"), ("EVO_BUDGET", "inf"), ("EVO_BUDGET", " .5 "), ("EVO_TRAIN", "always"), ("EVO_TRAIN", ""), ("EVO_DEVICE", ""),
    ("EVO_CACHE", ""), ("EVO_CACHE", "  "), ("EVO_CACHE", "a folder that comes"), ("EVO_AUDIT", ""), ("EVO_AUDIT", '{"a": true}'),
    ("EVO_LUTION", "another program's"), ("EVO", "x"),
])  # fmt: skip
def test_what_is_right_or_not_ours_passes(name, value):
    settings.check({name: value})


def test_every_variable_that_the_code_reads_is_known():
    read = {name for path in [*(ROOT / "evo").rglob("*.py"), ROOT / "book" / "conftest.py"]
            for name in re.findall(r"[\"'](EVO_[A-Z]+)[\"']", path.read_text(encoding="utf-8"))}
    assert read == set(settings.NAMES)


def test_a_chapter_hears_of_a_wrong_setting_when_it_imports():
    environment = {**os.environ, "EVO_BUDGET": "abc"}
    done = subprocess.run([sys.executable, "-c", "from evo.train import fit"], env=environment, capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].endswith("EVO_BUDGET='abc' must be a number of seconds above 0, or inf")


@pytest.mark.parametrize("value", ["", "  "])
def test_an_empty_cache_is_the_one_at_home(monkeypatch, value):
    from evo.data import sources

    monkeypatch.setenv("EVO_CACHE", value)
    assert zoo.cache() == sources.cache() == Path("~/.cache/evo").expanduser()


# the disk


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_whoever_writes_says_that_the_disk_is_full(tmp_path, monkeypatch, number):
    path = tmp_path / "x.json"
    path.write_bytes(b"old")

    def full(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(disk.os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full: .*x.json") as told:
        zoo.write_bytes(path, b"new")
    assert told.value.errno == number and path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path], "half a file would only keep the disk full"


def test_a_checkpoint_that_does_not_fit_does_not_end_the_training(tmp_path, monkeypatch, capsys):
    import torch

    from evo import loop

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk.os, "fsync", full)
    model = torch.nn.Linear(2, 2)
    loop._save(tmp_path / "runs" / "checkpoint.safetensors", model, torch.optim.SGD(model.parameters()), [1.0], 1.0, [])
    err = capsys.readouterr().err
    assert "the disk is full" in err and "Training goes on" in err


# an installed package's zoo


def test_an_installed_zoo_stays_as_it_came(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(zoo, "CLONE", False)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path / "site-packages")
    monkeypatch.setenv("EVO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVO_STAGE", raising=False)
    (tmp_path / "site-packages").mkdir(mode=0o555)
    monkeypatch.setenv("EVO_TRAIN", "always")
    zoo.write("some-study", {"kind": "study", "rows": [], "seconds": 3})
    assert zoo.read("some-study")["seconds"] == 3
    assert [path.name for path in (tmp_path / "cache" / "zoo").iterdir()] == ["some-study.json"]
    assert list((tmp_path / "site-packages").iterdir()) == []
    assert f"some-study is kept in {tmp_path / 'cache' / 'zoo'}" in capsys.readouterr().err
    monkeypatch.setenv("EVO_TRAIN", "zoo")
    assert zoo.read("some-study") is None, "a chapter as it came loads what came with it"


@pytest.mark.parametrize("action", ["record", "restamp", "audit"])
def test_an_installed_zoo_is_not_recorded_into(action, monkeypatch, capsys):
    from evo import __main__ as cli

    monkeypatch.setattr(zoo, "CLONE", False)
    assert cli.main(["zoo", action]) == 2
    assert "in a clone of the repository only" in capsys.readouterr().err
