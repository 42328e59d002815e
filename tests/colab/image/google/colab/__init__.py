"""Stands for Colab's own module, which the first cell of a chapter looks for."""
