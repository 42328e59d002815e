"""Where bytes come from: cache, mirror, official URL, Debian package; each checked by its hash.

A data set becomes one canonical file, NAME.npz in the cache directory (~/.cache/evo or EVO_CACHE),
whose *content hash* must be one of those listed below. The file is moved into place whole, under a
lock, and its hash is checked whenever it is read, so a half file is never taken for a whole one.
"""

import contextlib
import errno
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class DataError(RuntimeError):
    """A data set cannot be had; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Dataset:
    name: str
    about: str
    module: str  # its function build_NAME(folder) turns source files into {name: array}
    urls: dict  # official address -> "algorithm:hash" of the download, None if not known
    packages: tuple  # Debian packages with the same files
    hashes: dict  # accepted content hash -> the sources that give it
    megabytes: int  # room that fetching needs


# torchvision 0.26, torchvision/datasets/mnist.py: address and md5 sums. Debian's source package holds
# the same four files (same md5 sums); its binary package only has another gzip header.
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

DATASETS = {
    d.name: d
    for d in [
        Dataset(
            name="wordnet",
            about="WordNet 3.0: 117,659 definitions, 45 supersenses",
            module="evo.data.text",
            urls={
                "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/wordnet.zip": "sha256:cbda5ea6eef7f36a97a43d4a75f85e07fccbb4f23657d27b4ccbc93e2646ab59"
            },
            packages=("wordnet-base",),
            hashes={"d695c1e3801f92df39c5c1a3f96c916962af15cbe66166c8d045446e07effaae": "Debian bookworm"},
            megabytes=150,
        ),
        Dataset(
            name="fashion_mnist",
            about="Fashion-MNIST: 60,000 + 10,000 grey pictures of clothes, 28x28",
            module="evo.data.images",
            urls={
                FASHION_URL + "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                FASHION_URL + "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
                FASHION_URL + "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
                FASHION_URL + "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
            },
            packages=("dataset-fashion-mnist",),
            hashes={"2eec74045003bb5cc54c46331f8c48f77611acac295f1d863e16fbd263546563": "Debian bookworm"},
            megabytes=150,
        ),
        Dataset(
            name="emoji",
            about="Noto colour emoji with Unicode CLDR names in 100+ languages",
            module="evo.data.pairs",
            urls={},
            packages=("fonts-noto-color-emoji", "unicode-cldr-core", "unicode-data"),
            hashes={"d2e64b3652813b6d2d530c31505779c510b284d457ce620efd2599c5c57a9437": "Debian bookworm"},
            megabytes=500,
        ),
    ]
}


# --- what a reader calls ----------------------------------------------------------------------


def load(name):
    """The arrays of a data set, fetched first if neither cache nor mirror has them."""
    dataset = find(name)
    for path in places(name):
        with contextlib.suppress(OSError, ValueError):
            return read(path, dataset)
    return fetch(dataset)


def get(name):
    """Make sure that a data set is on this machine; returns the path of its canonical file."""
    load(name)
    return next(path for path in places(name) if path.exists())


def get_all():
    """`get` for every data set: afterwards everything works offline."""
    return [get(name) for name in DATASETS]


def status():
    """One row a data set: name, about, state (ready, absent or damaged), path, megabytes, hash."""
    rows = []
    for dataset in DATASETS.values():
        row = {"name": dataset.name, "about": dataset.about, "state": "absent", "path": None}
        for path in places(dataset.name):
            if not path.exists():
                continue
            row["path"], row["megabytes"] = path, round(path.stat().st_size / 1e6, 1)
            try:
                row["hash"] = content_hash(read(path, dataset))
                row["state"] = "ready"
                break
            except (OSError, ValueError):
                row["state"] = "damaged"
        rows.append(row)
    return rows


def verify():
    """Re-read every data set that is here; DataError names the damaged ones. Returns `status()`."""
    rows = status()
    if damaged := [f"{row['name']} ({row['path']})" for row in rows if row["state"] == "damaged"]:
        names = " ".join(row["name"] for row in rows if row["state"] == "damaged")
        raise DataError(
            f"damaged data: {', '.join(damaged)}; run `evo data get {names}` to fetch it again"
        )
    return rows


# --- the canonical file -----------------------------------------------------------------------


def find(name):
    if name not in DATASETS:
        raise DataError(f"name={name!r} is no data set; choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def cache():
    return Path(os.environ.get("EVO_CACHE") or Path.home() / ".cache" / "evo").expanduser()


def places(name):
    """Where the canonical file may lie: the cache, then the mirror that EVO_DATA names."""
    mirror = os.environ.get("EVO_DATA")
    return [cache() / f"{name}.npz"] + ([Path(mirror).expanduser() / f"{name}.npz"] if mirror else [])


def content_hash(arrays):
    """SHA-256 over names, types, shapes and values: the same for any file format or compression."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array)
    return digest.hexdigest()


def read(path, dataset):
    """The arrays of a canonical file; ValueError unless its content hash is accepted."""
    path.stat()  # OSError where there is no such file
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a broken zip raises a dozen different types
        raise ValueError(f"{path} is no canonical file: {error}") from error
    check(arrays, dataset)
    return arrays


def check(arrays, dataset):
    found = content_hash(arrays)
    if found not in dataset.hashes:
        raise ValueError(f"content hash {found[:12]} is not among the accepted ones")


# --- fetching ---------------------------------------------------------------------------------

FULL = {
    errno.ENOSPC: "no room left",
    errno.EDQUOT: "disk quota used up",
    errno.EFBIG: "file size limit reached",
    errno.EROFS: "read-only",
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
    errno.ENOTDIR: "a file is in the way",
    errno.EEXIST: "a file is in the way",
}


def fetch(dataset):
    """Try the sources in order, write the canonical file, return its arrays."""
    from filelock import FileLock

    path = cache() / f"{dataset.name}.npz"
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with FileLock(cache() / f".{dataset.name}.lock"):
            with contextlib.suppress(OSError, ValueError):
                return read(path, dataset)  # another process was faster
            return _fetch(dataset, path)
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise DataError(
            f"cannot write {dataset.name} to the cache {cache()}: {FULL[error.errno]}; make "
            f"{dataset.megabytes} MB of room there or set EVO_CACHE to a directory that has it"
        ) from error


def _fetch(dataset, path):
    reasons = []
    for source, download in SOURCES.items():
        work = cache() / f".{dataset.name}.work"  # ours: we hold the lock
        shutil.rmtree(work, ignore_errors=True)  # what a killed process left
        work.mkdir()
        try:
            print(f"evo: fetching {dataset.name} from {source}", file=sys.stderr)
            download(dataset, work)
            module = importlib.import_module(dataset.module)
            arrays = getattr(module, f"build_{dataset.name}")(work)
            check(arrays, dataset)
            np.savez(work / "canonical.npz", **arrays)
            os.replace(work / "canonical.npz", path)
            return read(path, dataset)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise
            reasons.append(f"{source}: {' '.join(str(error).split())[:150]}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise DataError(
        f"no source gave {dataset.name} ({'; '.join(reasons)}); connect to the network and run "
        f"`evo data get {dataset.name}`, or set EVO_DATA to a directory with {path.name}"
    )


def official(dataset, folder):
    """Download from the official addresses; every file is checked, and tried three times."""
    import pooch

    if not dataset.urls:
        raise ValueError("no address known")
    files = {url.rpartition("/")[2]: url for url in dataset.urls}
    registry = {file: dataset.urls[url] for file, url in files.items()}
    pup = pooch.create(folder, base_url="", registry=registry, urls=files, retry_if_failed=2)
    pooch.get_logger().setLevel("ERROR")
    for file in files:
        path = pup.fetch(file, downloader=pooch.HTTPDownloader(timeout=30))
        if file.endswith(".zip"):
            shutil.unpack_archive(path, folder)


def debian(dataset, folder, release=None):
    """Unpack Debian packages here: package lists are private, so neither root nor an update before."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ValueError("this machine has no apt-get and dpkg-deb")
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True)
    options = {
        "Dir::State::Lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 20,
    }
    if release:  # the files are checked by their hash, so the release need not be signed for us
        (folder / "sources.list").write_text(
            f"deb [trusted=yes] http://deb.debian.org/debian {release} main\n"
        )
        options |= {"Dir::Etc::SourceList": folder / "sources.list", "Dir::Etc::SourceParts": "-"}
    command = ["apt-get", "-qq"] + [f"-o{key}={value}" for key, value in options.items()]
    subprocess.run(command + ["update"], cwd=folder, capture_output=True)  # one dead list is no matter
    done = subprocess.run(
        command + ["download", *dataset.packages], cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        raise ValueError(f"apt-get: {(done.stderr.strip() or 'failed').splitlines()[-1]}")
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True, capture_output=True)


def debian_bookworm(dataset, folder):
    """The release whose packages have the listed hashes, if this machine's own release differs."""
    debian(dataset, folder, release="bookworm")


SOURCES = {
    "the official address": official,
    "this machine's Debian mirror": debian,
    "Debian bookworm": debian_bookworm,
}
