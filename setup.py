"""The chapters travel with the package, for `evo run NAME`: book/PART/NAME.ipynb as evo/chapters/PART/NAME.ipynb, without outputs.

All else stands in pyproject.toml.
"""

import json
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CHAPTERS = sorted(path for path in Path("book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def bare(text):
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


class WithChapters(build_py):
    def run(self):
        super().run()
        if self.editable_mode:  # a clone has them
            return
        for path in CHAPTERS:
            target = Path(self.build_lib, "evo", "chapters", *path.parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(bare(path.read_text(encoding="utf-8")), encoding="utf-8")

    def get_source_files(self):  # what goes into an sdist, from which a wheel can be built, too
        return [*super().get_source_files(), *map(str, CHAPTERS)]

    def get_outputs(self, include_bytecode=True):
        made = [str(Path(self.build_lib, "evo", "chapters", *path.parts[1:])) for path in CHAPTERS]
        return [*super().get_outputs(include_bytecode), *([] if self.editable_mode else made)]


setup(cmdclass={"build_py": WithChapters})
