"""`evo zoo ...`: list, stale, why, verify, audit, restamp, record."""
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from evo import __main__ as command
from evo import zoo
from evo.__main__ import Failure


def run(options):
    """Carry out `evo zoo ...`; returns the exit status."""
    return {"list": list_, "stale": stale, "why": why, "verify": verify, "audit": audit, "restamp": restamp, "record": record}[
        options.action](options)


def list_(options):
    rows = zoo.summary()
    head = ["name", "kind", "what", "seconds", "score", "MB", "recorded", "made again"]
    command.table(head, [[command._short(v) for v in r.values()] for r in rows])
    print(f"{len(rows)} entries, {sum(r['MB'] for r in rows):.1f} MB")
    return 0


def differences():
    """{entry: what differs}, of all entries."""
    from evo import stale

    places = stale.chapters_of(command.chapters().values())
    return {name: stale.differences(name, places[name]) if name in places else ["no chapter makes it"] for name in zoo.names()}


def stale(options):
    found = {name: parts for name, parts in differences().items() if parts}
    for name, parts in found.items():
        print(f"{name}: {parts[0]}" + (f" and {len(parts) - 1} more" if len(parts) > 1 else ""))
    print(f"{len(found)} of {len(zoo.names())} entries do not match their chapters as these now stand")
    return 1 if found else 0


def why(options):
    from evo import stale

    places = stale.chapters_of(command.chapters().values())
    for name in options.names:
        _known(name)
        parts = stale.differences(name, places[name]) if name in places else ["no chapter makes it"]
        print(f"{name}: {'nothing differs' if not parts else ''}")
        for part in parts:
            print(f"  {part}")
    return 0


def verify(options):
    seen = []
    _run_all(options.chapters or list(command.chapters()), "verify", seen=seen)
    lost = sorted(set(zoo.names()) - set(seen))
    if lost and not options.chapters:
        raise Failure(f"no chapter makes these entries, delete them: {', '.join(lost)}")
    return 0


def record(options):
    _in_a_clone("record")
    mode = "always" if options.anew or options.only else "record"
    names = options.chapters or list(command.chapters())
    if options.only:
        from evo import stale

        places = stale.chapters_of(command.chapters().values())
        if options.only in places:
            names = [places[options.only].stem]
        elif not options.chapters:
            meant = command.meant(options.only, places)
            raise Failure(f"the zoo has no entry {options.only!r}; {meant}to record a new one, name the chapter, too, that makes it")
    with _setting(EVO_ONLY=options.only):
        _run_all(names, mode)
    if options.only and options.only not in zoo.names():
        raise Failure(f"{', '.join(names)} makes no entry {options.only!r}")
    return 0


def restamp(options):
    """What is renewed waits in a folder of its own until its whole chapter has passed."""
    from evo import stale

    _in_a_clone("restamp")
    places = stale.chapters_of(command.chapters().values())
    names = options.chapters or sorted({places[n].stem for n, parts in differences().items() if parts and n in places})
    failed = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder, _setting(EVO_STAGE=folder):
            if command.run(command.find(name), "restamp"):
                failed.append(name)
                continue
            for path in Path(folder).glob("*.json"):
                shutil.move(path, zoo.FOLDER / path.name)
        print(f"evo: {name}: restamped")
    if failed:
        raise Failure(f"not restamped, for something came out differently: {', '.join(failed)}")
    return 0


def audit(options):
    from evo import stale

    if not options.plan:
        _in_a_clone("audit")
    places = stale.chapters_of(command.chapters().values())
    for name in options.names:
        _known(name)
    wanted = {name: True for name in options.names} or plan(options.minutes * 60)
    by_chapter = {}
    for name, rows in wanted.items():
        by_chapter.setdefault(places[name].stem, {})[name] = rows
    for chapter, what in by_chapter.items():
        print(f"evo: {chapter}: " + ", ".join(n if rows is True else f"{n} ({len(rows)} rows)" for n, rows in what.items()))
    if not options.plan:
        for chapter, what in by_chapter.items():
            with _setting(EVO_AUDIT=json.dumps(what)):
                _run_all([chapter], "audit")
    return 0


def plan(seconds, turn=None):
    """What to make anew in about so many recorded seconds: {entry: True, or the keys of its rows}.

    The longest unaudited first; before them what was never audited, the oldest first. turn: a text that decides instead, so
    that runs which keep no record take turns. A row counts as its study's mean at least: a cheap one may have found the caches
    filled by the row before it.
    """
    import hashlib

    from evo.loop import key

    jobs = []
    for name in zoo.names():
        record = zoo.read(name)
        rows = record.get("rows", [record])
        mean = sum(row["seconds"] for row in rows) / len(rows)
        for row in rows:
            which = True if "rows" not in record else key(row["setting"], row["seed"])
            drawn = hashlib.sha256(f"{turn}{name}{which}".encode()).hexdigest()
            waiting = (row.get("audit") or {}).get("date") or "", zoo.made_of(record, row)["date"], drawn
            jobs.append(((drawn,) if turn else waiting, max(row["seconds"], mean), name, which))
    chosen, left = {}, seconds
    for _, cost, name, which in sorted(jobs, key=lambda job: job[0]):
        if cost <= left:
            left -= cost
            if which is True:
                chosen[name] = True
            else:
                chosen.setdefault(name, []).append(which)
    return chosen


def _in_a_clone(action):
    """Entries of an installed package stay as they came."""
    if not zoo.CLONE:
        raise Failure(f"`evo zoo {action}` writes into the zoo, which it does in a clone of the repository only; "
                      "`evo run CHAPTER --train record` keeps what it trains in a folder")


def _known(name):
    if name not in zoo.names():
        raise Failure(f"the zoo has no entry {name!r}; {command.meant(name, zoo.names())}`evo zoo list` has them all")


def _run_all(chapters, mode, seen=None):
    failed = []
    for name in chapters:
        start, path = time.perf_counter(), command.find(name)
        status = command.run(path, mode, seen=seen)
        print(f"evo: {name}: {'done' if status == 0 else 'failed'} after {time.perf_counter() - start:.0f} s")
        failed += [name] * (status != 0)
    if failed:
        raise Failure(f"EVO_TRAIN={mode} failed in: {', '.join(failed)}")


@contextmanager
def _setting(**values):
    """Environment variables for the chapters that are run inside; None leaves one unset."""
    before = {k: os.environ.get(k) for k in values}
    os.environ.update({k: v for k, v in values.items() if v is not None})
    try:
        yield
    finally:
        for k, v in before.items():
            os.environ.pop(k, None)
            if v is not None:
                os.environ[k] = v
