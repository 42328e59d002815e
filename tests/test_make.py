"""The Makefile before anything is installed, the port of `make serve`, and what an installation without CUDA takes."""
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import serve  # noqa: E402


@pytest.fixture
def fresh(tmp_path):
    """A clone in which nothing is installed."""
    for name in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return lambda *words: subprocess.run(["make", *words], cwd=tmp_path, capture_output=True, encoding="utf-8")


@pytest.mark.parametrize("words", [[], ["help"]])
def test_make_alone_helps_before_anything_is_installed(fresh, tmp_path, words):
    done = fresh(*words)
    assert done.returncode == 0 and not (tmp_path / ".venv").exists()
    targets = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1].split()
    assert [target for target in targets if f"make {target}" not in done.stdout] == []
    assert "CPU=1" in done.stdout and "GB" in done.stdout


@pytest.mark.parametrize("target, says", [("chapter", "C=mae"), ("zoo", "C=mae"), ("new", "C=words/gpt"), ("repository", "URL=https://")])
def test_what_is_missing_is_said_before_anything_is_installed(fresh, tmp_path, target, says):
    done = fresh(target)
    assert done.returncode == 2 and f"make {target} {says}" in done.stderr and not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("cpu", ["", "1"])
def test_without_cuda_its_libraries_are_not_installed(fresh, cpu):
    done = fresh("-n", f"CPU={cpu}", "lint")
    (pattern,) = re.findall(r"grep -Ev '([^']+)' requirements.txt > .venv/lock.txt", done.stdout)
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    left = [line for line in lock if not re.search(pattern, line)]
    cuda = [line for line in left if re.match(r"nvidia-|cuda-|triton|torch==|torchvision==", line)]
    assert bool(cuda) != bool(cpu) and any(line.startswith("d2l==") for line in left) and not any(line.startswith("#") for line in left)
    assert ("--index-url https://download.pytorch.org/whl/cpu -r .venv/torch.txt" in done.stdout) == bool(cpu)
    assert len(lock) - len(left) < 40


@pytest.mark.parametrize("keeps_nothing", ["", "1"])
def test_libraries_are_compiled_once_where_python_would_do_it_in_every_process(fresh, monkeypatch, keeps_nothing):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", keeps_nothing)
    assert ("--compile-bytecode -r .venv/lock.txt" in fresh("-n", "lint").stdout) == bool(keeps_nothing)


def test_the_website_is_served_at_a_free_port(tmp_path):
    (tmp_path / "index.html").write_text("the book", encoding="utf-8")
    (tmp_path / "404.html").write_text("nothing here", encoding="utf-8")
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        found = serve.server(tmp_path, first=taken)
        with found:
            port = found.server_address[1]
            assert port != taken
            import threading

            threading.Thread(target=found.serve_forever, daemon=True).start()
            assert urllib.request.urlopen(f"http://127.0.0.1:{port}/").read() == b"the book"
            with pytest.raises(urllib.error.HTTPError) as none:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/no-such-page.html")
            assert none.value.code == 404 and none.value.read() == b"nothing here"
            found.shutdown()


def test_make_serve_says_the_port(tmp_path):
    code = "import serve, pathlib; serve.SITE = pathlib.Path('.'); serve.main()"
    (tmp_path / "index.html").write_text("the book", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "book" / "_ext")}
    process = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, encoding="utf-8")
    try:
        port = re.search(r"http://localhost:(\d+) shows the book", process.stdout.readline())[1]
        assert urllib.request.urlopen(f"http://localhost:{port}/").read() == b"the book"
    finally:
        process.terminate()
        process.wait()
