"""Colab's kernel has google.colab loaded before the first cell runs."""

import google.colab  # noqa: F401
