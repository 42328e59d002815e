"""Where bytes come from: cache, mirror, official URL, Debian package; each checked by its hash.

A data set becomes one canonical file, NAME.npz in the cache directory (~/.cache/evo or EVO_CACHE),
whose *content hash* must be one of those listed below. The file is moved into place whole, under a
lock, and its hash is checked whenever it is read, so a half file is never taken for a whole one.
A mirror (EVO_DATA) is a copy of a cache directory: `EVO_CACHE=stick evo data get --all` makes one.
"""

import contextlib
import difflib
import hashlib
import importlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np

from evo.disk import FULL_IN_WORDS, disk_error, why


class DataError(RuntimeError):
    """A data set cannot be had; the message is one sentence that says what to do."""


@dataclass(frozen=True)
class Dataset:
    name: str
    about: str
    module: str  # its function build_NAME(folder) turns the source's files into {name: array}
    urls: dict  # official address -> "algorithm:hash" of the download, None where not known
    packages: dict  # path of the Debian package that has the same files -> its "sha256:hash"
    hashes: tuple  # accepted content hashes
    megabytes: int  # room that fetching needs
    made_of: tuple = ()  # other data sets, where nothing is fetched


NLTK = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/"

# NLTK's zip: its sha256 is the one many projects pin. Its data.* are Debian's but for one blank in a
# gloss, the byte offsets, and a link to which Debian's patch (bug 478803) adds the way back; undoing
# this in Debian's files gives NLTK's published sha256 sums, and both give one canonical form.
WORDNET = Dataset(
    name="wordnet",
    about="WordNet 3.0: 117,659 definitions, 45 supersenses",
    module="evo.data.text",
    urls={
        NLTK + "wordnet.zip": "sha256:cbda5ea6eef7f36a97a43d4a75f85e07fccbb4f23657d27b4ccbc93e2646ab59",
    },
    packages={
        "w/wordnet/wordnet-base_3.0-37_all.deb": "sha256:61060d960f9ada8fa120872312eccd3ecebfbab8c4579e4f5a74e1cf67620752",
    },
    hashes=("d695c1e3801f92df39c5c1a3f96c916962af15cbe66166c8d045446e07effaae",),
    megabytes=150,
)

# Address and md5 sums as in torchvision 0.26. Debian's source package holds the very same four files
# (same md5 sums); its binary package has only another gzip header.
FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
FASHION_MNIST = Dataset(
    name="fashion_mnist",
    about="Fashion-MNIST: 60,000 + 10,000 grey pictures of clothes, 28x28",
    module="evo.data.images",
    urls={
        FASHION_URL + "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        FASHION_URL + "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
        FASHION_URL + "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
        FASHION_URL + "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    },
    packages={
        "d/dataset-fashion-mnist/dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb": "sha256:39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",  # noqa: E501
    },
    hashes=("2eec74045003bb5cc54c46331f8c48f77611acac295f1d863e16fbd263546563",),
    megabytes=200,
)

# Unicode's emoji-test.txt is the same file in both. The hashes of the font and of CLDR's archive at
# their official addresses could not be checked when this was written: these downloads are accepted
# only if their content is that of Debian's packages (Debian builds the font from the same release, so
# its pictures may differ in compression; then the next source is used).
EMOJI = Dataset(
    name="emoji",
    about="Noto colour emoji with Unicode CLDR names in 110 languages",
    module="evo.data.pairs",
    urls={
        "https://raw.githubusercontent.com/googlefonts/noto-emoji/v2.042/fonts/NotoColorEmoji.ttf": None,
        "https://unicode.org/Public/cldr/41/core.zip": None,
        "https://unicode.org/Public/emoji/15.0/emoji-test.txt": "sha256:8445f23ac8388e096be19d0262e14fceff856ff52093f2356dc89485f1a853db",
    },
    packages={
        "f/fonts-noto-color-emoji/fonts-noto-color-emoji_2.042-0+deb12u1_all.deb": "sha256:a5ab0f69c7938423862320d9aca5dd187b3fd879d6a9a57dd52e17c3fa8d2751",  # noqa: E501
        "u/unicode-cldr-core/unicode-cldr-core_41-0.1_all.deb": "sha256:35d30d5d3bee4d8244e95236259c4c2a0db06e21bad696515751fcfeee4d0260",
        "u/unicode-data/unicode-data_15.0.0-1_all.deb": "sha256:5efef23bbb1c6a133ecbdd63a2cfa07159ccacf5466a49e2426101c5ecd691fc",
    },
    hashes=("d2e64b3652813b6d2d530c31505779c510b284d457ce620efd2599c5c57a9437",),
    megabytes=500,
)

# GCompris' photographs, in the resource files of Debian's package.
BACKGROUNDS = Dataset(
    name="backgrounds",
    about="GCompris: photographs of monuments, wildlife, the sea and music",
    module="evo.data.wild",
    urls={},
    packages={
        "g/gcompris-qt/gcompris-qt-data_3.1-2_all.deb": "sha256:e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
    },
    hashes=("cc91fe25f0af2f6052e50b0c98a6904f08c6c00fe8f4483a2d66cfcfcdb92674",),
    megabytes=250,
)

# tuxpaint's stamps, those that are photographs. The second hash is of Debian 13's package (2025.03.31-1): the same pictures
# and captions, but for Chinese, Norwegian, Albanian, Bulgarian, Georgian and Ukrainian ones that were mended.
PHOTOS = Dataset(
    name="photos",
    about="tuxpaint: 313 photographs of things, cut out, with captions in 78 languages",
    module="evo.data.photos",
    urls={},
    packages={
        "t/tuxpaint-stamps/tuxpaint-stamps-default_2022.06.04-1_all.deb": "sha256:6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",  # noqa: E501
    },
    hashes=(
        "64ed96cd94a43278e44e0281477bcdd94587bfda73a5560cc52134074c3e0e63",
        "35b6886ce04970be55bd4f1634a3844a7a1fd44e1f6634619d983cef9d4bc5f9",
    ),
    megabytes=500,
)

# Made here from Fashion-MNIST and GCompris' photographs: nothing to fetch.
WILD = Dataset(
    name="wild",
    about="Fashion-MNIST's garments on photographs: 40,000 + 5,000 + 10,000 pictures, 32x32",
    module="evo.data.wild",
    urls={},
    packages={},
    hashes=("4ebca2ec811d9c672460dd101d64b01ca1725a8cbb77e397098d278ccd20a1ff",),
    megabytes=400,
    made_of=("fashion_mnist", "backgrounds"),
)
WILD64 = Dataset(
    name="wild64",
    about="the same, larger: 16,000 + 2,000 + 4,000 pictures, 64x64",
    module="evo.data.wild",
    urls={},
    packages={},
    hashes=("a66fe6510ceb48ed588495a2dfbea9603913338be9fe1ff946b7f2f0542549ed",),
    megabytes=600,
    made_of=("fashion_mnist", "backgrounds"),
)

SCENES = Dataset(
    name="scenes",
    about="cut-outs on photographs: 10,000 + 2,000 + 2,000 scenes and 2,000 of new combinations, 64x64",
    module="evo.data.scenes",
    urls={},
    packages={},
    hashes=("c46d52182081458ef7feef6428b09acb2b8f2a1616817ec8d7a8a4580127741e",),
    megabytes=800,
    made_of=("photos", "backgrounds"),
)

# Two modules of the SWORD project, both texts in the public domain.
BIBLE = Dataset(
    name="bible",
    about="the Bible in Spanish (1909) and English (1769): 31,084 verses, with Strong's numbers",
    module="evo.data.bible",
    urls={},
    packages={
        "s/sword-text-sparv/sword-text-sparv_2.60-1_all.deb": "sha256:5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf",
        "s/sword-text-kjv/sword-text-kjv_14.3-1_all.deb": "sha256:9f463f28ce665f6f528fc723179722bced880a4c5485f7a41bf742838315de57",
    },
    hashes=("c3990d6ec665a2042262224caeadcb2fdda47be8e3875bbf43fbac98bb4f72d1",),
    megabytes=80,
)

# Strong's dictionaries (1890), in the public domain, as two modules of the SWORD project.
NAMES = Dataset(
    name="names",
    about="Strong's dictionaries of the Bible's Hebrew and Greek: which of its names are persons, places, peoples",
    module="evo.data.names",
    urls={},
    packages={
        "s/sword-dict-strongs-greek/sword-dict-strongs-greek_3.0-3_all.deb": "sha256:760a215591f77082aca38e804dc8b28a8ba1aac5a388dd103bfb333d85f80e97",  # noqa: E501
        "s/sword-dict-strongs-hebrew/sword-dict-strongs-hebrew_3.0-1_all.deb": "sha256:614e272f6a4153a48cc9893f67d342564de98be23d824e7f8bc7678ca4938cfa",  # noqa: E501
    },
    hashes=("0dcf6152875404129dd70f252b119a88093ffdfb76ef2a5c21907996ca5c4885",),
    megabytes=30,
)

# Ding's dictionary. Another release of Debian has another version of it, which is refused: then Debian's archive gives this one.
EVERYDAY = Dataset(
    name="everyday",
    about="Ding's German-English dictionary: 17,946 of its examples, sentences with their translations",
    module="evo.data.everyday",
    urls={},
    packages={
        "d/ding/trans-de-en_1.9-6_all.deb": "sha256:45f6b4cf1c434776fba6811d7bc522efabb5425c43ba8afd0e289bf9e2e53df4",
    },
    hashes=("7315a053e8dfcaf07fff7de8e78bae6844815b323b95304836e1fc24b790fefd",),
    megabytes=60,
)

DATASETS = {
    dataset.name: dataset
    for dataset in (WORDNET, FASHION_MNIST, EMOJI, BACKGROUNDS, PHOTOS, BIBLE, NAMES, EVERYDAY, WILD, WILD64, SCENES)
}


# --- what a reader calls ----------------------------------------------------------------------


def load(name):
    """The arrays of a data set, fetched first if neither cache nor mirror has them."""
    return obtain(name)[1]


def get(name):
    """Make sure that a data set is on this machine; returns the path of its canonical file."""
    return obtain(name)[0]


def obtain(name):
    dataset = find(name)
    for path in places(name):
        with contextlib.suppress(OSError, ValueError):
            return path, read(path, dataset)
    return places(name)[0], fetch(dataset)


def get_all():
    """`get` for every data set: afterwards everything works offline."""
    return [get(name) for name in DATASETS]


def status():
    """One row a data set: name, about, state (ready, absent or damaged), path, megabytes, hash."""
    rows = []
    for dataset in DATASETS.values():
        row = {"name": dataset.name, "about": dataset.about, "state": "absent", "path": None}
        for path in places(dataset.name):
            try:
                row["megabytes"] = round(path.stat().st_size / 1e6, 1)
            except OSError:  # it is not there, or not for us to read
                continue
            row["path"] = path
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
        raise DataError(f"damaged data: {', '.join(damaged)}; run `evo data get {names}` to fetch it again")
    return rows


# --- the canonical file -----------------------------------------------------------------------


def find(name):
    if not isinstance(name, str) or name not in DATASETS:
        near = difflib.get_close_matches(str(name), DATASETS, n=1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise DataError(f"name={name!r} is no data set; {meant}choose one of {', '.join(DATASETS)}")
    return DATASETS[name]


def cache():
    """The folder EVO_CACHE; ~/.cache/evo where it is not set or empty."""
    return _folder("EVO_CACHE") or _expanded(Path("~/.cache/evo"), "EVO_CACHE")


def mirror():
    """The folder EVO_DATA, or None."""
    return _folder("EVO_DATA")


def _folder(variable):
    path = os.environ.get(variable, "").strip()
    return _expanded(Path(path), variable) if path else None


def _expanded(path, variable):
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise DataError(f"{path} cannot be found, as there is no such home directory: set {variable} to a directory") from error


def places(name):
    """Where the canonical file may lie: the cache, then the mirror that EVO_DATA names."""
    return [folder / f"{name}.npz" for folder in (cache(), mirror()) if folder]


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

def fetch(dataset):
    """Fetch under a lock, so that two processes at once download once; returns the arrays."""
    from filelock import FileLock

    path = cache() / f"{dataset.name}.npz"
    try:
        cache().mkdir(parents=True, exist_ok=True)
        with FileLock(cache() / f".{dataset.name}.lock"):
            with contextlib.suppress(OSError, ValueError):
                return read(path, dataset)  # another process was faster
            return fetch_alone(dataset, path)
    except OSError as error:
        raise DataError(
            f"cannot write {dataset.name} to the cache {cache()} ({why(error)}): make "
            f"{dataset.megabytes} MB of room there or set EVO_CACHE to a directory that has it"
        ) from error


def fetch_alone(dataset, path):
    """Try the sources in order; the first whose content hash is accepted becomes the file."""
    work = path.with_name(f".{dataset.name}.work")
    reasons = []
    for source, download in ways(dataset).items():
        shutil.rmtree(work, ignore_errors=True)  # also what a killed process left
        work.mkdir()
        try:
            print(f"evo: fetching {dataset.name} from {source}", file=sys.stderr)
            download(dataset, work)
            build = getattr(importlib.import_module(dataset.module), f"build_{dataset.name}")
            arrays = build(work)
            check(arrays, dataset)
            np.savez(work / "canonical.npz", **arrays)
            os.replace(work / "canonical.npz", path)
            return read(path, dataset)
        except Exception as error:
            if disk := disk_error(error):
                raise disk from error
            reasons.append(f"{source}: {' '.join(str(error).split())[:150]}")
        finally:
            shutil.rmtree(work, ignore_errors=True)
    raise DataError(
        f"no source gave {dataset.name} ({'; '.join(reasons)}): connect to the network and run "
        f"`evo data get {dataset.name}`, or {_mirror_remedy(path.name)}"
    )


def _mirror_remedy(file):
    """What to do about the mirror, when it did not help."""
    folder = mirror()
    if folder is None:
        return f"set EVO_DATA to a directory with {file}"
    if not folder.is_dir():
        return f"set EVO_DATA to a directory with {file}: {folder} is none"
    if not (folder / file).exists():
        return f"copy {file} into {folder}, where EVO_DATA points: it is not there"
    return f"copy {file} anew into {folder}, where EVO_DATA points: the copy that is there is damaged"


def download(files, folder):
    """Download {address: hash} and check the hashes; each file is tried three times."""
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")
    for url, known_hash in files.items():
        name, host = unquote(url.rpartition("/")[2]), urlsplit(url).netloc
        pup = pooch.create(folder, "", registry={name: known_hash}, urls={name: url}, retry_if_failed=2)
        try:
            pup.fetch(name, downloader=pooch.HTTPDownloader(timeout=(10, 60)))
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", "")
            raise ValueError(f"{host}: {type(error).__name__} {status}".strip()) from error
        except ValueError as error:
            raise ValueError(f"{name} from {host} has a wrong hash") from error


def from_official(dataset, folder):
    download(dataset.urls, folder)
    for archive in folder.glob("*.zip"):
        shutil.unpack_archive(archive, folder)


def from_apt(dataset, folder):
    """`apt-get download` with package lists of our own: needs neither root nor an update before."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise ValueError("there is no apt-get here")
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
    apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
    packages = [path.rpartition("/")[2].partition("_")[0] for path in dataset.packages]
    run([*apt, "update"], folder, must=False)  # one list out of reach is no matter
    run([*apt, "download", *packages], folder)
    for package in folder.glob("*.deb"):
        run(["dpkg-deb", "-x", package, "."], folder)


def run(command, folder, must=True):
    english = {**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": ""}  # so that `disk_error` can read what they say
    done = subprocess.run(command, cwd=folder, env=english, capture_output=True, encoding="utf-8", errors="replace")
    if must and done.returncode:
        said = done.stderr.strip() or f"{command[0]} failed"
        raise ValueError((FULL_IN_WORDS.search(said) or [said.splitlines()[-1]])[0])


def from_snapshot(dataset, folder):
    """The same packages from Debian's archive of every package there ever was: for machines without apt."""
    archive = "https://snapshot.debian.org/archive/debian/20250520T000000Z/pool/main/"
    download({archive + path: hash for path, hash in dataset.packages.items()}, folder)
    for package in folder.glob("*.deb"):
        unpack(package, folder)


def unpack(package, folder):
    """A .deb is an `ar` archive: 8 bytes, then members with a header of 60 bytes; one is data.tar."""
    data, at = package.read_bytes(), 8
    while at < len(data):
        name, size = data[at : at + 16], int(data[at + 48 : at + 58])
        if name.startswith(b"data.tar"):
            with tarfile.open(fileobj=io.BytesIO(data[at + 60 : at + 60 + size])) as tar:
                tar.extractall(folder, filter="data")
        at += 60 + size + size % 2


def locate(folder, name):
    """The one file of this name among what a source gave."""
    for path in folder.rglob(name):
        return path
    raise ValueError(f"{name} is missing")


def ways(dataset):
    """{name of a source: function} by which this data set can be had, in the order to try them."""
    if dataset.made_of:
        return {" and ".join(dataset.made_of): lambda dataset, folder: [get(name) for name in dataset.made_of]}
    return {name: way for name, way in SOURCES.items() if way is not from_official or dataset.urls}


SOURCES = {
    "the official address": from_official,
    "this machine's Debian mirror": from_apt,
    "Debian's archive": from_snapshot,
}
