"""Show the built website on this machine, at a port that is free: what `make serve` runs."""

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SITE = Path(__file__).resolve().parents[2] / "_build" / "html"
FIRST, TRIED = 8000, 20


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def send_error(self, code, message=None, explain=None):
        """The website's own page for what is not there, as it is shown where the site is published."""
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.is_file():
            return super().send_error(code, message, explain)
        self.send_response(404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.read_bytes())


def server(folder=None, first=FIRST):
    """At `first` or the next port that is free; where many are taken, at any."""
    for port in (*range(first, first + TRIED), 0):
        try:
            return ThreadingHTTPServer(("127.0.0.1", port), partial(Quiet, directory=str(folder or SITE)))
        except OSError:
            continue
    raise SystemExit("no port is free on this machine")


def main():
    if not (SITE / "index.html").is_file():
        raise SystemExit("there is no website yet: make book")
    with server() as found:
        print(f"http://localhost:{found.server_address[1]} shows the book; Ctrl-C ends", flush=True)
        try:
            found.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    sys.exit(main())
