"""For every suite: fast tests first, the chapters and the browser last; and what may not be skipped."""

import os

import pytest


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails the run")


def pytest_configure(config):
    """Python has read it: this process is warned of text without an encoding. What a test starts has libraries' warnings to itself."""
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        os.environ.pop("PYTHONWARNDEFAULTENCODING", None)


def pytest_collection_modifyitems(items):
    items.sort(key=_late)  # stable: within a group the order stays


def pytest_xdist_make_scheduler(config, log):
    """A file is one worker's, and so is a notebook; the website's pages are visited by whoever is free."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return nodeid if file.endswith("test_pages.py") else file

    return ByFile(config, log)


def _late(item):
    if "site" in item.path.parts or item.get_closest_marker("site"):
        return 4 if item.path.name == "test_pages.py" else 3  # small pieces last, so that no worker waits for the other
    if item.path.suffix == ".ipynb":
        return 2
    return 1 if "parity" in item.path.parts or item.get_closest_marker("slow") else 0


@pytest.fixture(autouse=True)
def nothing_was_cut():
    """What a test lets the time budget stop must not take the verdicts from the next one in the same process."""
    yield
    from evo import cuts

    cuts.forget()


def pytest_terminal_summary(terminalreporter, config):
    skipped = terminalreporter.stats.get("skipped", [])
    if config.getoption("--no-skips") and skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were skipped, none may be here", red=True)


def pytest_sessionfinish(session, exitstatus):
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter and session.config.getoption("--no-skips") and reporter.stats.get("skipped") and exitstatus == 0:
        session.exitstatus = 1
