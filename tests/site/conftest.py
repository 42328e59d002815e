"""One server and one browser for all tests of the website."""

import pytest
import visit


@pytest.fixture(scope="session")
def address():
    yield from visit.serve()


@pytest.fixture(scope="session")
def browser():
    yield from visit.open_browser()
