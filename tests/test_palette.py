"""Colours as numbers: k-means, and the palette that iGPT reads."""
import numpy as np
import pytest
import torch

from evo.tokenizers import Palette, k_means, nearest_centre


def pixels(n=2000, seed=0):
    return torch.randint(256, (n, 3), generator=torch.Generator().manual_seed(seed))


def test_k_means_is_scikit_learns_from_the_same_start():
    from sklearn.cluster import KMeans

    points = pixels()
    start = k_means(points, 12, rounds=0, seed=3)
    peer = KMeans(12, init=start.numpy(), n_init=1, max_iter=10, tol=0, algorithm="lloyd").fit(points.double().numpy())
    ours = k_means(points, 12, rounds=peer.n_iter_, seed=3)
    np.testing.assert_allclose(ours.numpy(), peer.cluster_centers_, atol=1e-9)
    assert (nearest_centre(points.double(), ours).numpy() == peer.labels_).mean() > 0.999


def test_k_means_by_hand():
    points = torch.tensor([[0.0], [2], [10], [12], [14]])
    assert k_means(points, 2, rounds=9, seed=0).sort(0).values.flatten().tolist() == [1, 12]
    assert k_means(points, 5, rounds=3).sort(0).values.flatten().tolist() == [0, 2, 10, 12, 14]


def test_more_rounds_never_raise_the_error():
    points = pixels().double()
    errors = [(points - c[nearest_centre(points, c)]).square().sum() for c in (k_means(points, 9, n) for n in (0, 1, 2, 5, 20))]
    assert all(b <= a for a, b in zip(errors, errors[1:]))


def test_too_few_points_are_refused():
    with pytest.raises(ValueError, match="2 different points, too few for k=3"):
        k_means(torch.tensor([[1.0], [1], [2]]), 3)


def test_there_and_back_is_the_picture_where_the_palette_has_its_colours():
    colours = pixels(40).unique(dim=0)
    palette = Palette(colours)
    tokens = torch.randint(len(palette), (5, 12), generator=torch.Generator().manual_seed(1))
    images = palette.decode(tokens, width=4)
    assert images.shape == (5, 3, 3, 4) and images.dtype == torch.uint8
    assert torch.equal(palette.encode(images), tokens)
    assert torch.equal(images[2, :, 1, 3].long(), colours[tokens[2, 7]])  # row by row


def test_encode_takes_the_nearest_colour_as_a_loop_finds_it():
    palette, images = Palette(pixels(9)), pixels(4 * 6, seed=5).view(2, 3, 3, 4).to(torch.uint8)
    found = palette.encode(images)
    for picture, tokens in zip(images, found):
        for place, token in enumerate(tokens):
            distance = (palette.colours.long() - picture[:, place // 4, place % 4].long()).square().sum(1)
            assert distance[token] == distance.min()


@pytest.mark.parametrize("call, message", [
    (lambda: Palette(torch.zeros(4, 2)), r"\(4, 2\)"),
    (lambda: Palette([[0, 0, 256]]), "between 0 and 255"),
    (lambda: Palette(pixels(4)).encode(torch.zeros(1, 3, 2, 2)), "bytes"),
    (lambda: Palette(pixels(4)).encode(torch.zeros(1, 1, 2, 2, dtype=torch.uint8)), "bytes"),
    (lambda: Palette(pixels(4)).decode(torch.tensor([[4]]), 1), "0 to 3"),
])
def test_what_is_no_picture_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
