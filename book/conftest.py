"""How nbval holds a chapter against its stored outputs (`make test`).

Text is compared letter by letter. Pictures, HTML, progress bars and the numbers inside claims are not: they differ in
the last digits between two processors. What matters about them is asserted inside the chapters' cells.
"""

NOT_COMPARED = ("image/svg+xml", "text/html", "stderr", "application/vnd.evo.card+json", "application/vnd.evo.claim+json")
OUTPUT_TIMEOUT = 120  # nbval gives up after 5 seconds of silence, which a busy machine exceeds


def pytest_itemcollected(item):
    if type(item).__name__ != "IPyNbCell":
        return
    item.output_timeout = OUTPUT_TIMEOUT
    file = item.parent
    if not set(NOT_COMPARED) <= set(file.skip_compare):
        file.skip_compare = (*file.skip_compare, *NOT_COMPARED)
