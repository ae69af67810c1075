"""Backbones of torchvision against torchvision's own models."""

import copy
import functools
import hashlib
import subprocess
import sys
import threading
from collections import defaultdict
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
import torchvision

import stylezoo
from stylezoo import PerceptualObjective, Term
from stylezoo.errors import MissingDependencyError, OptionError, WeightsError
from stylezoo_torchvision.backbone import TorchvisionBackbone


def create(model, **options):
    return stylezoo.create_backbone(f"torchvision:{model}", **{"weights": "random", **options})


@pytest.fixture(scope="module")
def resnet():
    """Shared by the tests of this module: do not modify it."""
    return create("resnet18", seed=3)


@pytest.fixture
def images():
    return torch.rand(2, 3, 97, 130, generator=torch.Generator().manual_seed(0))


def normalised(images):
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    return (images - mean) / deviation


def test_every_layer_of_resnet18_equals_torchvisions_exactly(resnet, images):
    reference = torchvision.models.resnet18(weights=None).eval()
    missing, unexpected = reference.load_state_dict(resnet.net.state_dict(), strict=False)
    assert set(missing) == {"fc.weight", "fc.bias"}
    assert not unexpected
    inputs, outputs = defaultdict(list), defaultdict(list)

    def note(module, arguments, output, name):
        inputs[name].append(arguments[0])
        outputs[name].append(output.clone())  # resnet adds to it in place

    for name, module in reference.named_modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
        module.register_forward_hook(functools.partial(note, name=name))
    with torch.inference_mode():
        reference(normalised(images))
        features = resnet(images, resnet.layers)
    assert list(features) == list(resnet.layers)
    for layer, feature in features.items():
        if layer.endswith(".add"):
            expected = inputs[layer.replace("add", "relu")][1]
        elif layer.endswith("relu_1"):
            expected = outputs[layer.removesuffix("_1")][1]
        else:
            expected = outputs[layer][0]
        assert torch.equal(feature, expected), layer


def test_layers_are_named_as_torchvision_names_them_shallow_to_deep(resnet):
    assert resnet.layers[:5] == ("conv1", "bn1", "relu", "maxpool", "layer1.0.conv1")
    assert resnet.layers[-4:] == ("layer4.1.relu_1", "layer4.1", "layer4", "avgpool")
    assert not {"x", "flatten", "fc"} & set(resnet.layers)


def test_images_are_normalised_as_torchvisions_transform_does(resnet, images):
    square = images[..., :97]
    preset = torchvision.models.ResNet18_Weights.DEFAULT.transforms(crop_size=97, resize_size=97)
    seen = []
    handle = resnet.net.conv1.register_forward_hook(lambda _, inputs, __: seen.append(*inputs))
    resnet(square, ["conv1"])
    handle.remove()
    torch.testing.assert_close(seen[0], preset(square))


# Chosen, in order, for: in-place ReLUs; squeeze and excitation; in-place functions; channels
# last; its own layout and buffers; parts for one size only.
@pytest.mark.parametrize(
    "model",
    ["alexnet", "mobilenet_v3_small", "densenet121", "convnext_tiny", "swin_t", "maxvit_t"],
)
def test_each_layer_is_the_same_alone_or_with_all_others_and_at_any_size(model, images):
    backbone = create(model)
    some = backbone.layers[:: 1 + len(backbone.layers) // 6]
    with torch.inference_mode():
        features = backbone(images, backbone.layers)
        for layer in some:
            assert torch.equal(backbone(images, [layer])[layer], features[layer]), layer
        larger = backbone(torch.rand(1, 3, 161, 144), some)
    for layer in some:
        assert features[layer].shape[:2] == (2, larger[layer].shape[1]), layer
        assert features[layer].ndim == larger[layer].ndim == 4


def test_a_value_with_channels_last_is_no_layer():
    layers = create("convnext_tiny").layers
    blocks = {name[-1] for name in layers if name.startswith("features.7.0.block.")}
    assert blocks == {"0", "6"}  # between them, linear layers applied per position


def test_what_a_model_does_to_the_images_first_is_no_layer():
    net = torchvision.models.inception_v3(weights=None, init_weights=False, transform_input=True)
    one = (1.0, 1.0, 1.0)
    assert TorchvisionBackbone("inception_v3", net, one, one).layers[0] == "Conv2d_1a_3x3.conv"


def test_runs_no_deeper_than_the_deepest_layer_asked(resnet, images):
    ran = []
    handles = [
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
        for name, module in resnet.net.named_modules()
        if name
    ]
    features = resnet(images, ["layer1.0.conv1", "conv1"])
    for handle in handles:
        handle.remove()
    assert set(features) == {"conv1", "layer1.0.conv1"}
    assert ran == ["conv1", "bn1", "relu", "maxpool", "layer1.0.conv1"]


def test_the_classifier_is_left_out():
    assert all(name.startswith("features.") for name, _ in create("alexnet").net.named_parameters())


def test_is_frozen_stays_in_evaluation_mode_and_passes_gradients(images):
    backbone = create("resnet18").train()
    before = copy.deepcopy(backbone.state_dict())
    images = images.requires_grad_()
    backbone(images, ["layer1"])["layer1"].sum().backward()
    assert images.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert all(torch.equal(before[name], value) for name, value in backbone.state_dict().items())


def test_moves_to_another_dtype(images):
    backbone = create("resnet18")
    exact = backbone(images, ["layer2"])["layer2"]
    rounded = backbone.to(torch.bfloat16)(images, ["layer2"])["layer2"]
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).norm() < 0.05 * exact.norm()


def test_moves_to_another_device_with_all_buffers(images):
    backbone = create("swin_t")
    backbone(images, ["permute"])
    features = backbone.to("meta")(images.to("meta"), ["permute"])
    assert features["permute"].device.type == "meta"


def test_a_copy_is_independent(resnet, images):
    other = copy.deepcopy(resnet)
    torch.nn.init.zeros_(other.net.conv1.weight)
    assert other(images, ["conv1"])["conv1"].abs().sum() == 0
    assert resnet(images, ["conv1"])["conv1"].abs().sum() > 0


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    before = torch.random.get_rng_state()
    one, same, other = (create("resnet18", seed=seed).net.conv1.weight for seed in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_judges_styles_in_an_objective(resnet, images):
    gram = stylezoo.create_loss("gram", layers=("relu", "layer2"), normalization="relative")
    objective = PerceptualObjective(resnet, [Term("style", gram, 1.0)])
    targets = objective.targets(images[:1].flip(3) ** 2, "style")
    images = images.requires_grad_()
    objective(images, targets).total.backward()
    assert images.grad.isfinite().all()
    assert images.grad.abs().sum() > 0


@pytest.fixture
def file_server(tmp_path):
    """A plain web server for tmp_path / "served"."""
    served = tmp_path / "served"
    served.mkdir()
    handler = functools.partial(SimpleHTTPRequestHandler, directory=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield served, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_weights_come_from_torchvisions_address_and_are_hashed(file_server, tmp_path, monkeypatch):
    served, address = file_server
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    made = torchvision.models.squeezenet1_1(weights=None).state_dict()
    torch.save(made, served / "weights.pth")
    digest = hashlib.sha256((served / "weights.pth").read_bytes()).hexdigest()
    good, bad = f"squeezenet1_1-{digest[:8]}.pth", "squeezenet1_1-00000000.pth"
    (served / good).write_bytes((served / "weights.pth").read_bytes())
    (served / bad).write_bytes((served / "weights.pth").read_bytes())
    weights = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1.value

    monkeypatch.setattr(weights, "url", f"{address}/{good}")
    before = torch.random.get_rng_state()
    for choice in ("default", "IMAGENET1K_V1"):
        loaded = create("squeezenet1_1", weights=choice).net.state_dict()
        assert all(torch.equal(made[name], value) for name, value in loaded.items())
    assert torch.equal(torch.random.get_rng_state(), before)

    for name, reason in ((bad, "hash"), ("absent-00000000.pth", "404")):
        monkeypatch.setattr(weights, "url", f"{address}/{name}")
        with pytest.raises(WeightsError, match=rf"IMAGENET1K_V1 of squeezenet1_1 .*{reason}"):
            create("squeezenet1_1", weights="default")


def test_unknown_choices_are_answered_with_the_known_ones(resnet, images):
    with pytest.raises(OptionError, match=r"model 'resnet81' \(did you mean 'resnet18'\?\)"):
        create("resnet81")
    with pytest.raises(OptionError, match="no classification model 'fcn_resnet50'"):
        create("fcn_resnet50")
    with pytest.raises(OptionError, match=r"choose one of: default, IMAGENET1K_V1, .*random"):
        create("resnet50", weights="imagenet")
    with pytest.raises(OptionError, match=r"resnet18 has no layer 'layer5' \(did you mean 'layer"):
        resnet(images, ["layer5"])
    with pytest.raises(OptionError, match=r"it has: .*conv1, bn1, relu.* and \d+ more$"):
        resnet(images, ["x"])


def test_a_model_without_feature_maps_is_refused():
    with pytest.raises(OptionError, match="vit_b_32 has no convolutional feature maps"):
        create("vit_b_32")


def test_without_torchvision_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "stylezoo\[torchvision\]"'):
        create("resnet18")


def test_the_plugin_module_imports_neither_torch_nor_torchvision():
    script = "import sys, stylezoo_torchvision; print({'torch', 'torchvision'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
