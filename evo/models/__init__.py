"""One short file per paper. A model imports the blocks, the masks and at most its named ancestors.

What can be relied on, whatever the model:

    model.features(...)   what it has understood, before any head: (B, N, dim) or (B, dim)
    model.dim             how many numbers a feature has
    model.head            from there to what `forward` gives; nn.Identity() where classes=0 dropped it

`features` takes the inputs of `forward`; loss is never inside. Three masks have three names: `mask`
(who may attend to whom, True = may), `valid` (True = no padding), `masked` (True = hidden, to be
predicted). Attention maps and the outputs of layers are recorded by evo.look. What a file does
otherwise, and why, stands in tests/test_models.py.
"""
