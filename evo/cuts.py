"""Which runs of this session the time budget stopped. Tables, figures and claims say so; no verdict rests on them."""
import functools

_stopped = {}  # (name, details) -> share of the planned steps that was done


def note(name, details, done, planned):
    """Remember that a run did only `done` of its `planned` steps; from now on figures say so, too."""
    _stopped[name, details] = done / planned
    _write_under_figures()


def forget():
    """Start afresh."""
    _stopped.clear()


def sentence():
    """What was stopped, for figures and claims; None where nothing was."""
    if not _stopped:
        return None
    names = sorted({name for name, _ in _stopped})
    some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"stopped by the time budget: {some} (some after {min(_stopped.values()):.0%} of the steps; EVO_BUDGET=inf trains whole)"


@functools.cache
def _write_under_figures():
    """Make plt.show() write the sentence under every figure."""
    import matplotlib.pyplot as plt

    show = plt.show

    def show_with_note(*arguments, **options):
        for number in plt.get_fignums() if sentence() else ():
            plt.figure(number).supxlabel(sentence(), fontsize=7, color="#b3261e")
        return show(*arguments, **options)

    plt.show = show_with_note
