"""Which runs of this session the time budget stopped. Tables, figures and claims say so; no verdict rests on them."""
import functools
import html
import sys

_stopped = {}  # (name, details) -> share of the planned steps that was done


def note(name, details, done, planned):
    """Remember that a run did only `done` of its `planned` steps; from now on figures and tables say so, too."""
    _stopped[name, details] = done / planned
    _write_under_figures()
    _write_under_tables()


def forget():
    """Start afresh."""
    _stopped.clear()


def sentence():
    """What was stopped, for figures, tables and claims; None where nothing was."""
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


def _write_under_tables():
    """Make a notebook show the sentence under every table of pandas, whoever made it."""
    shell = "IPython" in sys.modules and sys.modules["IPython"].get_ipython()
    if not shell:
        return
    from pandas import DataFrame

    def as_text(table, printer, cycle):
        printer.text("\n".join(filter(None, [repr(table), sentence()])))

    def as_html(table):
        shown = table._repr_html_()
        return shown and shown + (f"<p style='color: #b3261e'>{html.escape(sentence())}</p>" if sentence() else "")

    shell.display_formatter.formatters["text/plain"].for_type(DataFrame, as_text)
    shell.display_formatter.formatters["text/html"].for_type(DataFrame, as_html)
