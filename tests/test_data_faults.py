"""Whatever goes wrong while data are fetched: success, or one sentence that says what to do; and
never a half file taken for a whole one. Against a real server on this machine and a fresh cache."""

import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import toydata

from evo.data import sources

REMEDY = r"connect to the network and run `evo data get toy`, or set EVO_DATA to a directory with toy.npz$"


class Handler(BaseHTTPRequestHandler):
    """/KIND/toy.bin, where KIND says what goes wrong."""

    def do_GET(self):
        kind = self.path.split("/")[1]
        self.server.hits.append(kind)
        content = toydata.CONTENT
        if kind == "flaky" and len(self.server.hits) < 3 or kind == "broken":
            return self.send_error(503)
        if kind == "wrong":
            content = content[::-1]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        half = content[: len(content) // 2]
        self.wfile.write(half)
        if kind == "stuck":
            self.wfile.flush()
            self.server.go_on.wait(60)
        if kind != "truncated":
            self.wfile.write(content[len(half) :])

    def log_message(self, *args):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass  # a killed client is no error of the server


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.hits, server.go_on = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EVO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("EVO_DATA", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def toy(cache, monkeypatch):
    """toy(address) makes the toy data set known, with its official address as only source."""
    import pooch.core

    def install(address, **known):
        monkeypatch.setattr(sources, "DATASETS", {"toy": toydata.dataset(address, **known)})
        monkeypatch.setattr(sources, "SOURCES", {"the official address": sources.from_official})

    class NoWaiting:
        sleep = staticmethod(lambda seconds: None)

    monkeypatch.setattr(pooch.core, "time", NoWaiting)  # between two tries
    return install


def is_whole(cache):
    with np.load(cache / "toy.npz", allow_pickle=False) as file:
        return file["bytes"].tobytes() == toydata.CONTENT


def left_behind(cache):
    return sorted(path.name for path in cache.iterdir() if path.name != ".toy.lock")


def child(cache, *arguments):
    return subprocess.Popen(
        [sys.executable, toydata.__file__, *map(str, arguments)],
        env={**os.environ, "EVO_CACHE": str(cache), "PYTHONPATH": str(Path(sources.__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )


# --- the download -------------------------------------------------------------------------------


def test_success(server, toy, cache):
    toy(f"{server.url}/good")
    assert sources.status()[0]["state"] == "absent"
    assert sources.get("toy") == cache / "toy.npz" and is_whole(cache)
    assert left_behind(cache) == ["toy.npz"]
    sources.load("toy")
    assert server.hits == ["good"] and sources.verify()[0]["state"] == "ready"


def test_no_network(toy, cache):
    with socket.socket() as closed:  # a port that nobody listens at
        closed.bind(("127.0.0.1", 0))
        toy(f"http://127.0.0.1:{closed.getsockname()[1]}/good")
    with pytest.raises(sources.DataError, match=r"^no source gave toy .*ConnectionError.*" + REMEDY) as error:
        sources.get("toy")
    assert "\n" not in str(error.value) and left_behind(cache) == []


@pytest.mark.parametrize(
    "kind, reason",
    [("wrong", "toy.bin from .* has a wrong hash"), ("truncated", "127.0.0.1:.*Error"), ("broken", "HTTPError 503")],
)
def test_a_download_that_fails_three_times(server, toy, cache, kind, reason):
    toy(f"{server.url}/{kind}")
    with pytest.raises(sources.DataError, match=f"{reason}.*{REMEDY}"):
        sources.get("toy")
    assert server.hits == [kind] * 3 and left_behind(cache) == []


def test_server_error_then_success(server, toy, cache):
    toy(f"{server.url}/flaky")
    sources.get("toy")
    assert server.hits == ["flaky"] * 3 and is_whole(cache)


@pytest.mark.parametrize("kind", ["wrong", "truncated"])
def test_a_download_of_unknown_hash_is_judged_by_its_content(server, toy, cache, kind):
    toy(f"{server.url}/{kind}", known_hash=None)
    with pytest.raises(sources.DataError, match=REMEDY):
        sources.get("toy")
    assert left_behind(cache) == []
    toy(f"{server.url}/good", known_hash=None)
    assert sources.get("toy") and is_whole(cache)


def test_the_next_source_is_used(server, toy, cache, monkeypatch):
    def second(dataset, folder):
        (folder / "toy.bin").write_bytes(toydata.CONTENT)

    toy(f"{server.url}/broken")
    monkeypatch.setitem(sources.SOURCES, "another place", second)
    sources.get("toy")
    assert is_whole(cache)


def test_the_mirror_is_used_before_the_network(server, toy, cache, tmp_path, monkeypatch):
    toy(f"{server.url}/good")
    sources.get("toy")
    cache.rename(tmp_path / "mirror")
    monkeypatch.setenv("EVO_DATA", str(tmp_path / "mirror"))
    assert sources.get("toy") == tmp_path / "mirror" / "toy.npz" and server.hits == ["good"]
    cache.mkdir()
    (cache / "toy.npz").write_bytes(b"broken")
    assert sources.get("toy") == tmp_path / "mirror" / "toy.npz" and sources.verify()[0]["state"] == "ready"
    (tmp_path / "mirror" / "toy.npz").write_bytes(b"broken")
    assert sources.status()[0]["state"] == "damaged"
    assert sources.get("toy") == cache / "toy.npz" and server.hits == ["good"] * 2


# --- processes ----------------------------------------------------------------------------------


def test_two_processes_at_once_download_once(server, cache):
    first, second = (child(cache, f"{server.url}/stuck") for _ in range(2))
    wait_for(lambda: server.hits)
    time.sleep(0.5)  # the second one is at the lock now, or comes to it later
    server.go_on.set()
    for process in (first, second):
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert out.strip() == str(cache / "toy.npz")
    assert server.hits == ["stuck"] and is_whole(cache) and left_behind(cache) == ["toy.npz"]


def test_killed_in_the_middle(server, toy, cache):
    process = child(cache, f"{server.url}/stuck")
    wait_for(lambda: server.hits)
    wait_for(lambda: any(path.is_file() for path in (cache / ".toy.work").rglob("*")))
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    assert left_behind(cache) == [".toy.work"]  # half a download, under no name that is read
    toy(f"{server.url}/good")
    assert sources.status()[0]["state"] == "absent"
    sources.get("toy")
    assert is_whole(cache) and left_behind(cache) == ["toy.npz"]


def wait_for(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.02)


# --- the cache ----------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["truncated", "one byte", "empty", "another"])
def test_a_damaged_canonical_file_is_noticed_and_fetched_again(server, toy, cache, damage):
    toy(f"{server.url}/good")
    path = sources.get("toy")
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "one byte":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        np.savez(path, bytes=np.arange(9, dtype=np.uint8))  # a sound file with other content
    with pytest.raises(sources.DataError, match=r"damaged data: toy \(.*\); run `evo data get toy`"):
        sources.verify()
    sources.get("toy")
    assert is_whole(cache) and server.hits == ["good"] * 2


def test_nothing_is_unpickled(toy, cache):
    class Bomb:
        def __reduce__(self):
            return (os._exit, (3,))

    toy("http://127.0.0.1:9/none")
    cache.mkdir()
    np.savez(cache / "toy.npz", bytes=np.array([Bomb()], dtype=object))
    assert sources.status()[0]["state"] == "damaged"


def test_full_cache(server, cache):
    """A limit on the size of files, which binds root as well, stands for the full disk."""
    process = child(cache, f"{server.url}/good", 100_000)
    _, err = process.communicate(timeout=30)
    last = err.strip().splitlines()[-1]
    assert process.returncode == 1
    assert re.search(r"^DataError: cannot write toy to the cache .*File too large.*make 1 MB of room there or set EVO_CACHE", last)
    assert left_behind(cache) == []


def test_full_cache_while_the_canonical_file_is_written(server, cache):
    """The download fits, the file made from it does not: what stood there before stays."""
    process = child(cache, f"{server.url}/good", len(toydata.CONTENT) + 100)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "cannot write toy to the cache" in err.splitlines()[-1]
    assert left_behind(cache) == []


def test_a_file_where_the_cache_should_be(server, toy, cache):
    cache.write_text("not a directory", encoding="utf-8")
    toy(f"{server.url}/good")
    with pytest.raises(sources.DataError, match="cannot write toy to the cache .*set EVO_CACHE to a directory"):
        sources.get("toy")
    assert cache.read_text(encoding="utf-8") == "not a directory"


def wrapped(error):
    try:
        try:
            raise error
        except OSError as inner:
            raise ValueError("Can't close the ZIP file while there is an open writing handle on it") from inner
    except ValueError as outer:
        raise RuntimeError("something else") from outer


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("way", ["plain", "wrapped"])
@pytest.mark.parametrize("where", ["download", "savez"])
def test_a_full_disk_is_called_full_and_not_the_network(server, toy, cache, monkeypatch, number, way, where):
    """Whoever notices it, and whatever a library makes of it."""

    def full(*arguments, **options):
        error = OSError(number, os.strerror(number))
        if way == "wrapped":
            wrapped(error)
        raise error

    toy(f"{server.url}/good")
    monkeypatch.setattr(*((sources, "download") if where == "download" else (np, "savez")), full)
    with pytest.raises(sources.DataError, match=r"^cannot write toy to the cache .* \(the disk is full\): make 1 MB of room") as error:
        sources.get("toy")
    assert "network" not in str(error.value) and "\n" not in str(error.value) and left_behind(cache) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES, errno.ENETUNREACH])
def test_a_network_that_is_forbidden_is_no_full_disk(server, toy, cache, monkeypatch, number):
    def refused(*arguments):
        try:
            raise OSError(number, os.strerror(number))
        except OSError as inner:
            raise ValueError("127.0.0.1: ConnectionError") from inner

    toy(f"{server.url}/good")
    monkeypatch.setattr(sources, "download", refused)
    with pytest.raises(sources.DataError, match="^no source gave toy .*connect to the network"):
        sources.get("toy")


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_an_empty_name_of_the_cache_is_the_usual_place(monkeypatch, tmp_path, value):
    monkeypatch.setenv("EVO_CACHE", value)
    monkeypatch.setenv("EVO_DATA", value)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert sources.cache() == tmp_path / ".cache" / "evo"
    assert sources.places("toy") == [tmp_path / ".cache" / "evo" / "toy.npz"] and list(tmp_path.iterdir()) == []


def test_a_home_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("EVO_CACHE", "~nobody-of-this-name/cache")
    with pytest.raises(sources.DataError, match="no such home directory: set EVO_CACHE"):
        sources.status()


# --- the mirror ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state, remedy",
    [
        ("unset", r"or set EVO_DATA to a directory with toy\.npz$"),
        ("empty", r"or copy toy\.npz into {}, where EVO_DATA points: it is not there$"),
        ("damaged", r"or copy toy\.npz anew into {}, where EVO_DATA points: the copy that is there is damaged$"),
        ("gone", r"or set EVO_DATA to a directory with toy\.npz: {} is none$"),
        ("a file", r"or set EVO_DATA to a directory with toy\.npz: {} is none$"),
    ],
)
def test_the_remedy_fits_the_mirror(toy, cache, monkeypatch, tmp_path, state, remedy):
    mirror = tmp_path / "stick"
    if state != "unset":
        monkeypatch.setenv("EVO_DATA", str(mirror))
    if state in ("empty", "damaged"):
        mirror.mkdir()
    if state == "damaged":
        (mirror / "toy.npz").write_bytes(b"half a copy")
    if state == "a file":
        mirror.write_bytes(b"")
    toy("http://127.0.0.1:9/none")
    with pytest.raises(sources.DataError, match=remedy.format(re.escape(str(mirror)))):
        sources.get("toy")


def test_the_remedy_for_a_damaged_mirror_works(server, toy, cache, monkeypatch, tmp_path):
    toy(f"{server.url}/good")
    good = sources.get("toy").read_bytes()
    shutil.rmtree(cache)
    monkeypatch.setenv("EVO_DATA", str(tmp_path / "stick"))
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "toy.npz").write_bytes(good)
    toy("http://127.0.0.1:9/none")
    assert sources.get("toy") == tmp_path / "stick" / "toy.npz"


def test_a_typing_mistake_gets_a_suggestion():
    with pytest.raises(sources.DataError, match="'wordnett' is no data set; did you mean wordnet\\? choose one of"):
        sources.get("wordnett")
    for name in (None, 3, "", "zzz"):
        with pytest.raises(sources.DataError, match=f"is no data set; choose one of {', '.join(sources.DATASETS)}$"):
            sources.get(name)


def as_nobody(function):
    """Run in a child process without root's rights; its outcome as text."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            text = str(function())
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(theirs, text.encode())
        os._exit(0)
    os.close(theirs)
    os.waitpid(pid, 0)
    with os.fdopen(ours, encoding="utf-8") as pipe:
        return pipe.read()


@pytest.fixture
def open_folder():
    """A folder that a process without rights can reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_read_only_cache(server, toy, open_folder, monkeypatch):
    toy(f"{server.url}/good")
    cache = open_folder / "cache"
    monkeypatch.setenv("EVO_CACHE", str(cache))
    cache.mkdir()
    cache.chmod(0o555)
    text = as_nobody(lambda: sources.get("toy"))
    assert re.search("^DataError: cannot write toy to the cache .*Permission denied.*or set EVO_CACHE to a directory", text)
    monkeypatch.setenv("EVO_CACHE", str(cache / "below"))
    assert as_nobody(lambda: sources.get("toy")).startswith("DataError: cannot write toy to the cache")


def test_a_read_only_cache_with_the_data_is_enough(server, toy, open_folder, monkeypatch):
    toy(f"{server.url}/good")
    monkeypatch.setenv("EVO_CACHE", str(open_folder))
    path = sources.get("toy")
    open_folder.chmod(0o555)
    assert as_nobody(lambda: sources.get("toy")) == str(path)


# --- Debian -------------------------------------------------------------------------------------


def test_the_debian_package_comes_without_root_and_without_an_update(open_folder):
    """The real package: private, empty package lists, no rights beyond the folder."""
    if os.getuid() == 0:
        os.chown(open_folder, 65534, 65534)
    text = as_nobody(lambda: sources.from_apt(sources.WORDNET, open_folder))
    assert text == "None" and list(open_folder.glob("lists/*Packages*"))
    assert sources.locate(open_folder, "data.noun").stat().st_size == 15_300_280


@pytest.mark.parametrize("said", [
    "E: You don't have enough free space in /x/archives/.", "dpkg-deb: error: cannot write: No space left on device\nE: more"])
def test_a_program_that_finds_the_disk_full_says_so(toy, cache, monkeypatch, said):
    """apt-get and dpkg-deb put it into words, in English whatever language the machine speaks."""

    def source(dataset, folder):
        code = f"import os, sys; assert os.environ['LC_ALL'] == 'C.UTF-8'; sys.exit({said!r})"
        sources.run([sys.executable, "-c", code], folder)

    toy("http://127.0.0.1:9/none")
    monkeypatch.setattr(sources, "SOURCES", {"a program": source})
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    with pytest.raises(sources.DataError, match=r"^cannot write toy to the cache .* \(the disk is full\): make 1 MB of room"):
        sources.get("toy")
    assert left_behind(cache) == []


def test_unpacking_a_package_without_dpkg(open_folder):
    (open_folder / "root/usr").mkdir(parents=True)
    (open_folder / "root/usr/file").write_text("content", encoding="utf-8")
    subprocess.run(["tar", "-cJf", "data.tar.xz", "-C", "root", "."], cwd=open_folder, check=True)
    members = [("debian-binary", b"2.0\n"), ("control.tar.xz", b"odd"), ("data.tar.xz", (open_folder / "data.tar.xz").read_bytes())]
    package = b"!<arch>\n"
    for name, content in members:
        package += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    (open_folder / "toy.deb").write_bytes(package)
    (open_folder / "out").mkdir()
    sources.unpack(open_folder / "toy.deb", open_folder / "out")
    assert (open_folder / "out/usr/file").read_text(encoding="utf-8") == "content"
