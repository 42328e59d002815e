"""Where a chapter runs as a script (`evo run`), plt.show() saves its figures into EVO_FIGURES: MPLBACKEND=module://evo.saved."""
import os
import sys
from pathlib import Path

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase as FigureManager  # noqa: F401 (a backend has both names)
from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvas  # noqa: F401

DPI = 150
_count = 0


def show(*arguments, **options):
    """Save all open figures, say where, and close them, as a notebook does."""
    global _count
    folder = Path(os.environ["EVO_FIGURES"])
    for manager in Gcf.get_all_fig_managers():
        _count += 1
        path = folder / f"figure-{_count:02d}.png"
        manager.canvas.figure.savefig(path, dpi=DPI, bbox_inches="tight")
        print(f"(figure: {path.name})", file=sys.stdout)
    Gcf.destroy_all()
