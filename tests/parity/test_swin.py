"""Swin against torchvision's and timm's: weights load, outputs, gradients, parameters and FLOPs are equal."""
import pytest
import timm
import torch
import torchvision.models as peers
from torch.utils.flop_counter import FlopCounterMode

from evo import look
from evo.models import swin
from evo.models.swin import Swin, WindowAttention

SIZES = {
    "tiny": (swin.swin_tiny, peers.swin_t, 28_288_354), "small": (swin.swin_small, peers.swin_s, 49_606_258),
    "base": (swin.swin_base, peers.swin_b, 87_768_224),
}  # fmt: skip
MINI = dict(embed_dim=24, depths=(2, 2, 2), num_heads=(2, 4, 8))


def mini(**more):
    return Swin(4, 3, 24, (2, 2, 2), 2, **{"window": 4, "classes": 5, **more})


def flops(model, side):
    """On the meta device attention is taken apart into what can be counted."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.to("meta")(torch.zeros(3, 3, *side, device="meta"))
    return counter.get_total_flops()


@pytest.mark.parametrize("size", SIZES)
def test_sizes_of_the_paper_have_the_published_counts(size):
    ours, theirs, published = SIZES[size]
    with torch.device("meta"):
        pair = ours(), theirs(weights=None)
    assert [sum(p.numel() for p in model.parameters()) for model in pair] == [published] * 2


@pytest.mark.parametrize("size, side", [("tiny", (64, 64)), ("tiny", (224, 224)), ("base", (60, 92))])
def test_whole_models_are_torchvisions(shaken, close, size, side):
    """224: windows of 7 divide every stage. The others: maps are filled up, and only some stages shift."""
    ours, theirs, _ = SIZES[size]
    peer = shaken(theirs(weights=None))
    model = swin.load_torchvision(ours(), peer.state_dict()).eval()
    images = torch.randn(1, 3, *side)
    with torch.no_grad():
        found, wanted = model(images), peer(images)
    scale = wanted.abs().max()
    close(found / scale, wanted / scale)


@pytest.mark.parametrize("side", [(64, 64), (56, 72), (12, 100), (16, 16)])
@pytest.mark.parametrize("window", [2, 4, 7])
def test_odd_sides_and_windows_larger_than_the_map(shaken, close, side, window):
    peer = shaken(peers.SwinTransformer(patch_size=[4, 4], embed_dim=24, depths=[2, 2, 2], num_heads=[2, 4, 8],
                                        window_size=[window, window], num_classes=5))
    model = swin.load_torchvision(mini(window=window), peer.state_dict()).eval()
    images = torch.randn(3, 3, *side)
    close(model(images), peer(images))
    assert flops(model, side) == flops(peer, side)


def test_gradients_are_torchvisions(shaken):
    peer = shaken(peers.SwinTransformer(patch_size=[4, 4], embed_dim=24, depths=[2, 2, 2], num_heads=[2, 4, 8],
                                        window_size=[4, 4], num_classes=5, stochastic_depth_prob=0.0)).train()
    model, images = swin.load_torchvision(mini(), peer.state_dict()).train(), torch.randn(2, 3, 72, 64)
    for net in (model, peer):
        net(images).square().mean().backward()
    renamed = swin.weights.rename(
        {name: p.grad for name, p in peer.named_parameters()}, swin.TORCHVISION)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.grad, renamed[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("side, window", [(64, 4), (96, 4), (112, 7)])
def test_whole_models_are_timms(shaken, close, side, window):
    """For these sides both put the same places together: timm rolls first and fills up then, torchvision the other way round."""
    peer = shaken(timm.models.swin_transformer.SwinTransformer(img_size=side, window_size=window, num_classes=5, **MINI))
    model = swin.load_timm(mini(window=window), peer.state_dict()).eval()
    images = torch.randn(2, 3, side, side)
    close(model(images), peer(images))


def test_loaders_say_what_is_missing(refuses):
    peer = peers.SwinTransformer(patch_size=[4, 4], embed_dim=24, depths=[2, 2, 2], num_heads=[2, 4, 8], window_size=[4, 4], num_classes=5)
    refuses(swin.load_torchvision, mini(), peer.state_dict(), "features.1.0.attn.qkv.weight")
    assert swin.load_torchvision(mini(classes=0), peer.state_dict()).head is not None
    with pytest.raises(ValueError, match="wrong shape"):
        swin.load_torchvision(mini(window=7), peer.state_dict())


def reaches(model, side):
    """(side^2, side^2): which place of the output changes with which place of the input."""
    x = torch.randn(1, side, side, 8, requires_grad=True)
    y = model(x).flatten(1, 2)[0].sum(-1)
    grads = [torch.autograd.grad(one, x, retain_graph=True)[0].abs().sum(-1).flatten() for one in y]
    return torch.stack(grads) > 0


def test_windows_are_closed_and_shifting_opens_them(shaken):
    plain, shifted = (shaken(swin.swin_block(8, 2, 4, shift)) for shift in (0, 2))
    place = torch.cartesian_prod(torch.arange(8), torch.arange(8))
    window = (place // 4) @ torch.tensor([2, 1])
    same = window[:, None] == window
    assert torch.equal(reaches(plain, 8), same)
    assert torch.equal(reaches(torch.nn.Sequential(plain, plain), 8), same)
    both = reaches(torch.nn.Sequential(plain, shifted), 8)
    assert (both & ~same).any() and (both | ~same).all()


def test_what_wraps_around_is_never_attended_to(shaken):
    """The far sides of the map stand together in one window after the roll, and must not meet."""
    attention, x = shaken(WindowAttention(8, 2, 4, 2)), torch.randn(2, 8, 8, 8)
    (maps,) = look.attentions(attention, x)
    may = swin.may_attend(8, 8, 4, (2, 2))
    assert torch.equal(maps > 0, may.repeat(2, 1, 1)[:, None].expand_as(maps))
    other = x.clone()
    other[:, -2:] = torch.randn(2, 2, 8, 8)
    assert torch.equal(attention(x)[:, :2], attention(other)[:, :2])


def test_shifted_windows_are_the_plain_ones_of_a_map_that_moved(shaken):
    """Where no window touches the border."""
    plain = shaken(WindowAttention(8, 2, 4))
    shifted = WindowAttention(8, 2, 4, 2)
    shifted.load_state_dict(plain.state_dict())
    x = torch.randn(1, 12, 12, 8)
    torch.testing.assert_close(shifted(x)[:, 2:10, 2:10], plain(x[:, 2:10, 2:10]))


@pytest.mark.parametrize("wrong, said", [
    (torch.zeros(1, 3, 30, 32), "does not divide"), (torch.zeros(1, 1, 32, 32), "images have shape"),
    (torch.zeros(3, 32, 32), "images have shape"), (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "floating-point"),
    (None, "floating-point"), (torch.zeros(1, 3, 32, 32).double(), "float64")])
def test_pictures_that_it_cannot_read(wrong, said):
    with pytest.raises(ValueError, match=said):
        mini()(wrong)


@pytest.mark.parametrize("shift", [-1, 4])
def test_a_shift_lies_within_the_window(shift):
    with pytest.raises(ValueError, match="between 0 and window=4"):
        WindowAttention(8, 2, 4, shift)
