"""The convolutional networks against torchvision's: weights load, outputs, parameters and FLOPs are equal."""
import pytest
import torch
import torchvision.models as peers
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from evo import zoo
from evo.models.alexnet import AlexNet
from evo.models.convnet import load_torchvision
from evo.models.densenet import densenet121
from evo.models.efficientnet import EfficientNet
from evo.models.googlenet import GoogLeNet, torchvision_googlenet
from evo.models.lenet import LeNet
from evo.models.resnet import resnet18, resnet50, small_resnet
from evo.models.vgg import VGG, vgg11, vgg16
from evo.train import Batches, fit

PLAIN = {"weights": None}
PAIRS = {
    "alexnet": (AlexNet, peers.alexnet, PLAIN, 61_100_840),
    "vgg11": (vgg11, peers.vgg11, PLAIN, 132_863_336),
    "vgg11_bn": (lambda: VGG([(1, 64), (1, 128), (2, 256), (2, 512), (2, 512)], norm=True), peers.vgg11_bn, PLAIN, 132_868_840),
    "vgg16": (vgg16, peers.vgg16, PLAIN, 138_357_544),
    "googlenet": (torchvision_googlenet, peers.googlenet, {**PLAIN, "aux_logits": False, "init_weights": False}, 6_624_904),
    "resnet18": (resnet18, peers.resnet18, PLAIN, 11_689_512),
    "resnet50": (resnet50, peers.resnet50, PLAIN, 25_557_032),
    "densenet121": (densenet121, peers.densenet121, PLAIN, 7_978_856),
    "efficientnet_b0": (EfficientNet, peers.efficientnet_b0, PLAIN, 5_288_548),
    "efficientnet_b3": (lambda: EfficientNet(1.2, 1.4), peers.efficientnet_b3, PLAIN, 12_233_232),
}


def used(model):
    """As after training: statistics and scales of batch norm away from 0 and 1."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                nn.init.uniform_(tensor, -0.1, 0.1)
            for tensor in (module.running_var, module.weight):
                nn.init.uniform_(tensor, 0.5, 1.5)
    return model.eval()


def flops(model, images):
    with FlopCounterMode(display=False) as counter:
        model(images)
    return counter.get_total_flops()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", PAIRS)
def test_a_convnet_is_torchvisions(name):
    ours, theirs, options, parameters = PAIRS[name]
    torch.manual_seed(0)
    peer = used(theirs(**options))
    model = load_torchvision(ours(), peer.state_dict()).eval()
    images = torch.randn(2, 3, 128, 160)
    with torch.no_grad():
        found, wanted = model(images), peer(images)
        assert flops(model, images[:1]) == flops(peer, images[:1])
    assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max().clamp(min=1)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in peer.parameters()) == parameters


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ours, theirs", [(resnet18, peers.resnet18), (torchvision_googlenet, peers.googlenet)])
def test_training_normalises_as_torchvision_does(ours, theirs):
    """In training mode, too: outputs, gradients of the first filters, running statistics."""
    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if theirs is peers.googlenet else {}
    peer = used(theirs(weights=None, **options))
    model = load_torchvision(ours(), peer.state_dict())
    images = torch.randn(4, 3, 64, 64)
    for net in (model, peer):
        net.train()
        for module in net.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        net(images).square().mean().backward()
    for (name, a), b in zip(model.state_dict().items(), peer.state_dict().values()):
        assert torch.allclose(a, b, atol=1e-5, rtol=1e-5), name
    a, b = (next(net.parameters()).grad for net in (model, peer))
    assert (a - b).abs().max() <= 1e-4 * b.abs().max()


def test_lenet_is_d2ls():
    from d2l import torch as d2l

    torch.manual_seed(0)
    peer = d2l.LeNet()
    images = torch.randn(3, 1, 28, 28)
    peer(images)  # its layers are lazy
    model = load_torchvision(LeNet(), peer.state_dict())
    assert (model(images) - peer(images)).abs().max() <= 1e-5


def test_weights_of_another_net_are_refused():
    with pytest.raises(ValueError, match="122 tensors were given"):
        load_torchvision(resnet50(), peers.resnet18(weights=None).state_dict())
    with pytest.raises(ValueError, match="do not fit this ResNet: wrong shape: head.weight"):
        load_torchvision(resnet18(classes=10), peers.resnet18(weights=None).state_dict())


def test_googlenet_of_the_paper_has_the_papers_shapes():
    """Table 1: what every stage gives for pictures of 224 x 224."""
    net, shapes = GoogLeNet().eval(), []
    images = torch.zeros(1, 3, 224, 224)
    for layer in net.body:
        images = layer(images)
        shapes.append(tuple(images.shape[1:]))
    assert shapes[0] == (192, 28, 28) and shapes[2] == (480, 28, 28) and shapes[8] == (832, 14, 14) and shapes[-1] == (1024, 7, 7)


def test_a_resnet_is_trained_loaded_and_proved_with_its_statistics(monkeypatch, tmp_path):
    """fit records it, the zoo gives back what batch norm has seen, and a proof leaves that as it was: nothing of evo's is in the way."""
    images, labels = torch.randn(48, 1, 12, 12), torch.arange(48) % 2
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    monkeypatch.setattr("evo.fingerprint._ours", lambda name: name in ("__main__", __name__) or str(name).split(".")[0] == "evo")

    def entry(mode):
        monkeypatch.setenv("EVO_TRAIN", mode)
        torch.manual_seed(0)
        run = fit(small_resnet(1, 4, classes=2), named, Batches(images, labels, size=16), steps=12, lr=1e-2, name="small", score=score)
        return run.model.state_dict(), run

    def named(model, x, y):
        return nn.functional.cross_entropy(model(x), y)

    def score(model):
        return (model(images).argmax(1) == labels).float().mean()

    (made, new), (loaded, old), (proved, again) = (entry(mode) for mode in ("record", "zoo", "verify"))
    assert [run.origin for run in (new, old, again)] == ["trained", "zoo", "zoo"] and new.score == old.score == again.score
    seen = [name for name in made if "running" in name or "tracked" in name]
    assert len(seen) > 20 and all(made[name].any() for name in seen)
    for other in (loaded, proved):
        assert other.keys() == made.keys() and all(torch.equal(other[name], t) for name, t in made.items())
