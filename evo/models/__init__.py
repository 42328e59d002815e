"""One short file per paper. A model imports the blocks, the masks and at most its named ancestors."""
