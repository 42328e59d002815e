"""The repository itself: one address, nothing of one machine, nothing large, a complete lock, a true README."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import torch
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import execute  # noqa: E402
import repository  # noqa: E402

TOP = {
    ".ci", ".github", ".gitignore", "LICENSE", "Makefile", "README.md", "_config.yml", "_toc.yml", "book", "evo", "pyproject.toml",
    "requirements.txt", "setup.py", "tests",
}  # fmt: skip
URL = repository.current()
tracked = repository.tracked
CUDA = re.compile(r"nvidia-|cuda-|triton$")  # what an installation with CPU=1 lacks, as in the Makefile
PYTHONS = ("3.11", "3.12", "3.13")


def text_of(path):
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def lock():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# --- the address


def test_the_address_is_equal_everywhere():
    assert project()["urls"]["Repository"] == URL
    assert URL in (ROOT / "README.md").read_text(encoding="utf-8")
    for name, path in execute.notebooks().items():
        assert f"git+{URL} " in path.read_text(encoding="utf-8"), name
    owner_and_name = repository.ADDRESS.fullmatch(URL)[1]
    name = owner_and_name.split("/")[1]
    for path in repository.files():
        found = set(re.findall(rf"github(?:\.com)?/([\w.-]+/{re.escape(name)})(?![\w-])", path.read_text(encoding="utf-8")))
        assert found <= {owner_and_name, f"you/{name}"}, path  # you/... is the example in explanations


def test_the_address_changes_everywhere_at_once():
    new = "https://github.com/" + "some-one/other.name"  # not in one piece: this file is searched, too
    for path in repository.files():
        after = repository.change(path.read_text(encoding="utf-8"), URL, new)
        assert URL not in after, path
        assert repository.change(after, new, URL) == path.read_text(encoding="utf-8"), path
    assert repository.change(f"{URL}s and {URL}-x", URL, new) == f"{URL}s and {URL}-x"


@pytest.mark.parametrize("wrong", ["", "evo-book", "http://github.com/a/b", "https://gitlab.com/a/b", "https://github.com/a"])
def test_a_wrong_address_is_refused(wrong):
    done = subprocess.run([sys.executable, repository.__file__, wrong], capture_output=True, encoding="utf-8")
    assert done.returncode == 1 and "https://github.com/OWNER/NAME" in done.stderr


# --- the files


def test_only_what_belongs_stands_at_the_top():
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} == TOP


def test_nothing_names_a_path_of_one_machine():
    home = "(?:work|root|home/[a-z]+|Users/[A-Za-z]+)"
    pattern = re.compile(rf"(?<![\w.~-])/{home}/[\w.-]+")
    for path in tracked():
        text = text_of(path)
        found = pattern.search(text)
        assert not found, f"{path.relative_to(ROOT)}: {found[0]}"
        assert len(ROOT.parts) < 4 or str(ROOT) not in text, path


def test_no_file_is_large():
    sizes = {path.relative_to(ROOT): path.stat().st_size for path in tracked()}
    assert not [path for path, size in sizes.items() if size > 5_000_000]
    zoo = {path: size for path, size in sizes.items() if path.suffix == ".safetensors"}
    assert all(size <= 4_100_000 for size in zoo.values()) and sum(zoo.values()) <= 100_000_000


def test_no_notebook_checkpoint_or_build_is_tracked():
    assert not [p for p in tracked() if {"_build", ".ipynb_checkpoints", "__pycache__", ".venv"} & set(p.parts[len(ROOT.parts) :])]


def test_the_readme_tree_has_a_line_for_every_file_of_the_package():
    blocks = re.findall(r"```.*?\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    tree = next(block for block in blocks if "evo/" in block and "book/" in block)
    for path in sorted((ROOT / "evo").rglob("*.py")):
        if path.name == "__init__.py":
            continue
        assert re.search(rf"^\s*(?:\S*/)?{re.escape(path.name)}\s+\S+ \S+", tree, re.M), f"{path.name} has no line in the README's tree"
    for name in re.findall(r"(\w+\.py)\s", tree):
        assert list(ROOT.rglob(f"evo/**/{name}")) or list(ROOT.rglob(f"book/**/{name}")) or list(ROOT.rglob(f"tests/**/{name}")), name


def test_the_readme_names_every_make_target():
    targets = re.search(r"^\.PHONY:(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)[1].split()
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [t for t in targets if f"make {t}" not in text] == []


# --- the lock


def test_every_dependency_of_the_project_is_in_the_lock_and_none_is_d2l():
    locked = {canonicalize_name(r.name): r for r in lock()}
    assert str(locked["d2l"].specifier) == "==1.0.3"
    wanted = project()["dependencies"] + sum(project()["optional-dependencies"].values(), [])
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        assert name != "d2l" and not any(s.operator in ("==", "~=", "===") for s in requirement.specifier), f"{name}: lower bounds only"
        if name != "evo-book":
            assert requirement.specifier.contains(next(iter(locked[name].specifier)).version), name


def test_what_the_package_imports_is_declared():
    names = {"PIL": "pillow", "fontTools": "fonttools", "sklearn": "scikit-learn"}
    optional = {"IPython", "matplotlib_inline"}  # tried for, only a notebook has them
    optional |= {"gensim"}  # in the extra "read": brings the similarity judgements of the word2vec chapter
    declared = {canonicalize_name(Requirement(text).name) for text in project()["dependencies"]}
    for path in (ROOT / "evo").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for top in {module.split(".")[0] for module in modules} - {"evo"} - optional - sys.stdlib_module_names:
                needed = canonicalize_name(names.get(top, top))
                assert needed in declared, f"{path.name} imports {top}, which pyproject.toml does not require"


def environment(python):
    return {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux", "platform_machine": "x86_64",
            "implementation_name": "cpython", "platform_python_implementation": "CPython", "platform_system": "Linux", "os_name": "posix",
            "extra": ""}  # fmt: skip


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_is_complete(python):
    """It is installed with --no-deps: whatever an installed package of it requires must be a line of it."""
    here = {canonicalize_name(r.name): r for r in lock() if not r.marker or r.marker.evaluate(environment(python))}
    assert all(len(r.specifier) == 1 and next(iter(r.specifier)).operator == "==" for r in here.values())
    extras = {"evo-book": set()}
    for requirement in here.values():
        extras.setdefault(canonicalize_name(requirement.name), set()).update(requirement.extras)
    checked = 0
    for name in here:
        if name == "d2l":  # pins what it does not need
            continue
        if CUDA.match(name) and not torch.version.cuda:  # make CPU=1
            continue
        try:
            needs = [Requirement(text) for text in distribution(name).requires or []]
        except PackageNotFoundError:
            assert python != f"{sys.version_info[0]}.{sys.version_info[1]}", f"{name} is in requirements.txt but not installed"
            continue
        checked += 1
        for need in needs:
            if need.marker and not need.marker.evaluate(environment(python)):
                continue
            found = here.get(canonicalize_name(need.name))
            assert found, f"{name} needs {need}, which is not in requirements.txt"
            version = next(iter(found.specifier)).version
            assert need.specifier.contains(version, prereleases=True), f"{name} needs {need}, requirements.txt has {version}"
    assert checked > 100


def test_what_is_installed_is_what_is_locked():
    for requirement in lock():
        if requirement.marker and not requirement.marker.evaluate() or CUDA.match(requirement.name) and not torch.version.cuda:
            continue
        version = distribution(requirement.name).version.split("+")[0]
        assert requirement.specifier.contains(version), f"{requirement.name} {version} is installed, not {requirement}: rm -rf .venv"


def test_the_weekly_audit_commits_the_dates_it_wrote_and_nothing_else(tmp_path):
    steps = yaml.safe_load((ROOT / ".github/workflows/audit.yml").read_text(encoding="utf-8"))["jobs"]["audit"]["steps"]
    git = lambda *words, cwd: subprocess.run(["git", *words], cwd=cwd, check=True, capture_output=True, text=True, encoding="utf-8").stdout
    home, clone = tmp_path / "home.git", tmp_path / "clone"
    git("init", "--bare", home, cwd=tmp_path)
    git("clone", home, clone, cwd=tmp_path)
    record = clone / "evo/zoo/a.json"
    record.parent.mkdir(parents=True)
    record.write_text('{"seconds": 1}', encoding="utf-8")
    git("add", ".", cwd=clone)
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "first", cwd=clone)
    git("push", cwd=clone)
    for dated in (False, True):
        if dated:
            record.write_text('{"seconds": 1, "audit": {"date": "2026-11-28"}}', encoding="utf-8")
            (clone / "left.txt").write_text("not a record", encoding="utf-8")
        subprocess.run(["bash", "-e", "-c", steps[-1]["run"]], cwd=clone, check=True, capture_output=True)
        log = git("log", "--format=%s", "--name-only", cwd=home).split("\n")
        assert log.count("first") == 1 and ("Made anew from nothing: 1 records" in log) == dated and "left.txt" not in log
