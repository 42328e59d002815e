"""How nbval executes a chapter and holds it against its stored outputs (`make test`).

Text is compared letter by letter, also that in a figure: its labels, its legend, the numbers at its axes. The rest of
pictures, HTML, progress bars and the JSON of cards and claims are not: they differ in the last digits between two
processors. What matters about them is asserted inside the chapters' cells.

A chapter runs here with EVO_TRAIN=verify: every trained model and every study is replayed, scored and compared with
its entry in evo/zoo on the way. On top of that, entries and rows worth about three minutes are made anew from nothing;
which ones is drawn by the commit, so that they take turns. What that costs stands at the end, in seconds of a processor.
"""

import functools
import itertools
import json
import os
import subprocess
from pathlib import PurePath
from xml.etree import ElementTree

import pytest

NOT_COMPARED = ("image/svg+xml", "text/html", "stderr", "application/vnd.evo.card+json", "application/vnd.evo.claim+json")
OUTPUT_TIMEOUT = 120  # nbval gives up after 5 seconds of silence, which a busy machine exceeds

AUDIT_SECONDS = 180
MOST = 60  # seconds of a processor that the test of a chapter may cost, on average
SPENT = "seconds of a processor"


@functools.cache
def audit():
    """What this commit makes anew, as EVO_AUDIT wants it."""
    from evo.zoo.commands import plan

    git = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, encoding="utf-8")
    return json.dumps(plan(AUDIT_SECONDS, turn=git.stdout.strip() or "no commit"))


def is_cell(item):
    return type(item).__name__ == "IPyNbCell"


def pytest_itemcollected(item):
    if is_cell(item):
        item.output_timeout = OUTPUT_TIMEOUT
        file = item.parent
        file.sanitize_patterns[r" at 0x[0-9a-fA-F]+"] = " at 0x0"  # as book/_ext/execute.py stores it
        if not set(NOT_COMPARED) <= set(file.skip_compare):
            file.skip_compare = (*file.skip_compare, *NOT_COMPARED)
        compare_texts_too(item)


def texts(svg):
    """What is written in a figure, a line a label."""
    return "\n".join("".join(node.itertext()) for node in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text"))


def with_texts(outputs):
    """Outputs, with what is written in their figures beside the figures."""
    import nbformat

    outputs = [nbformat.from_dict(dict(output)) for output in outputs]
    for output in outputs:
        svg = output.get("data", {}).get("image/svg+xml")
        if svg:
            output["data"] = nbformat.from_dict({**output["data"], "texts of the figure": texts(svg)})
    return outputs


def compare_texts_too(item):
    compare = item.compare_outputs
    item.compare_outputs = lambda new, stored, **options: compare(with_texts(new), with_texts(stored), **options)


def as_a_notebook(client):
    """nbval executes without history, and then IPython shows the value of a last line that ends with a semicolon."""
    execute = type(client).execute
    client.execute = lambda code, **options: execute(client, code, **{**options, "store_history": True})


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    """The kernel of a notebook starts in the set-up of its first cell and inherits the environment."""
    names = ("EVO_TRAIN", "EVO_AUDIT")
    before = {name: os.environ.get(name) for name in names}
    if is_cell(item):
        os.environ.update(EVO_TRAIN="verify", EVO_AUDIT=audit())
    try:
        result = yield
        if is_cell(item):
            as_a_notebook(item.parent.kernel.kc)
        return result
    finally:
        if is_cell(item):
            for name in names:
                os.environ.pop(name)
                if before[name] is not None:
                    os.environ[name] = before[name]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    finally:
        if is_cell(item):
            item.user_properties.append((SPENT, processor_seconds(item.parent.kernel.km)))


def processor_seconds(manager):
    """What a kernel has used until now; a wall clock would also count what else the machine does. 0 for one that is dead."""
    import psutil

    try:
        return sum(psutil.Process(manager.provisioner.pid).cpu_times()[:4])  # user, system, and of its children both
    except psutil.Error:
        return 0.0


def pytest_terminal_summary(terminalreporter):
    """One line for each chapter that costs too much, and one for all. Reports come back from all workers of xdist."""
    spent = {}
    for report in itertools.chain.from_iterable(terminalreporter.stats.values()):
        for name, seconds in getattr(report, "user_properties", ()):
            if name == SPENT:
                chapter = PurePath(report.nodeid.split("::")[0]).stem
                spent[chapter] = max(seconds, spent.get(chapter, 0.0))
    for chapter, seconds in sorted(spent.items(), key=lambda pair: -pair[1]):
        if seconds > MOST:
            terminalreporter.write_line(f"{chapter}: {seconds:.0f} {SPENT}")
    if spent:
        total = sum(spent.values())
        terminalreporter.write_line(f"{len(spent)} chapters: {total:.0f} {SPENT}, {total / len(spent):.1f} each; at most {MOST} each are "
                                    f"meant (up to {AUDIT_SECONDS} of all are results made anew)", red=total > MOST * len(spent))
