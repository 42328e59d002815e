"""All benchmarks, each in its own process: what `make bench` runs. Prints a table and writes book/benchmarks.json.

A row of the table is what the book's page "Speed" shows: what was measured, our number, the peer's, and their ratio.
"""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
RESULT = HERE.parents[1] / "book" / "benchmarks.json"


def processor():
    """The processor's name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def row(what, unit, ours, peer, peer_name, ratio, target):
    return dict(what=what, unit=unit, ours=ours, peer=peer, peer_name=peer_name, ratio=ratio, target=target)


def of_models(found):
    """One training step: two rows a model."""
    for r in found:
        name, peer = r["model"].split("_")[0].upper(), r["peer"]
        name = {"VIT": "ViT", "RESNET": "ResNet-18", "SWIN": "Swin", "BEIT": "BEiT", "VILT": "ViLT", "LORA": "LoRA"}.get(name, name)
        time, memory = ["no target"] * 2 if name in ("LSTM", "GRU") else ["at most 1.0", "at most 1.05"]
        yield row(f"{name}, a training step", "ms", r["milliseconds"], r["peer_milliseconds"], peer, r["time_ratio"], time)
        yield row(f"{name}, peak memory of a step", "MB", r["megabytes"], r["peer_megabytes"], peer, r["memory_ratio"], memory)


def of_word2vec(found):
    """Medians over seeds; a seed that never reached gensim's scores makes the ratio absent, not good."""
    def median(key):
        values = [r[key] for r in found]
        return None if None in values else statistics.median(values)

    peer = f"gensim, {len(found)} seeds"
    yield row("skip-gram, words a second", "", round(median("words_a_second")), round(median("gensim_words_a_second")), peer,
              median("speed_ratio"), "at least 2")  # fmt: skip
    yield row("skip-gram, time to both scores of gensim's five epochs", "s", median("seconds_to_gensims_scores"),
              median("gensim_seconds"), peer, median("time_ratio"), "at most 0.333")  # fmt: skip


def of_tokenizers(found):
    """Python against Rust: told, not judged."""
    for r in found:
        what, peer = f"WordPiece, {r['task']} on WordNet", "the tokenizers library, one thread"
        yield row(what, "s", r["seconds"], r["peer_seconds"], peer, r["ratio"], "no target")


def of_losses(found):
    for r in found:
        what, peer = f"NT-Xent and its gradient, {r['batch']:,} pictures", "the same in four blocks, diagonals cut out"
        yield row(what, "ms", r["milliseconds"], r["peer_milliseconds"], peer, r["ratio"], "at most 1.0")


def of_scenes(found):
    for r in found:
        yield row(f"{r['scenes']:,} scenes made, 64 pixels", "s", r["seconds"], r["limit"], "the time allowed", r["ratio"], "at most 1.0")


def of_beam(found):
    for r in found:
        yield row(f"32 texts of 20 tokens written, beam of {r['width']}", "s", r["seconds"], r["peer_seconds"], "generate of transformers",
                  r["ratio"], "no target")  # fmt: skip


def of_fit(found):
    """Today's step against the one of 2026-11-21: one row, the geometric mean; without a target."""
    names = [r["recipe"] for r in found if r["recipe"] != "all"]
    total = next(r for r in found if r["recipe"] == "all")
    yield row(f"A step of fit, geometric mean over {total['recipes']} recipes: {', '.join(names)}", "", None, None,
              "the same step as it was on 2026-11-21", total["ratio"], "no target")  # fmt: skip


BENCHMARKS = {
    "bench_word2vec.py": of_word2vec, "bench_models.py": of_models, "bench_tokenizers.py": of_tokenizers, "bench_losses.py": of_losses,
    "bench_scenes.py": of_scenes, "bench_beam.py": of_beam, "bench_fit.py": of_fit,
}  # fmt: skip


def main():
    rows = []
    for name, table in BENCHMARKS.items():
        print(f"{name} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            result = Path(folder) / "result.json"
            subprocess.run([sys.executable, HERE / name, "--json", result], check=True)
            rows += table(json.loads(result.read_text(encoding="utf-8"))["rows"])
    about = {
        "device": f"{processor()}, {os.cpu_count()} processors",
        "date": datetime.date.today().isoformat(),
        "torch": torch.__version__.split("+")[0],
    }
    RESULT.write_text(json.dumps({**about, "rows": rows}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"\n{about['device']}, torch {about['torch']}")
    for r in rows:
        print(f"{r['what'][:56]:56} {r['ours']!s:>9} against {r['peer']!s:>9} {r['unit']:4} ratio {r['ratio']!s:>6}, wanted {r['target']}")


if __name__ == "__main__":
    main()
