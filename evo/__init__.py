"""The package behind the book: tokens in, one encoder, an objective that needs no labels."""
