"""The importers of fast neural style, against its formula written out without any net."""

import os
import pickle

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import stylezoo
from stylezoo.errors import WeightsError
from stylezoo.images import open_photo
from stylezoo.importing import import_checkpoint
from stylezoo_importers.graph import REPEATING

BLOCKS = 5
LAYERS = [
    *((f"conv{i}.conv2d", f"in{i}") for i in (1, 2, 3)),
    *((f"res{b}.conv{i}.conv2d", f"res{b}.in{i}") for b in range(1, BLOCKS + 1) for i in (1, 2)),
    ("deconv1.conv2d", "in4"),
    ("deconv2.conv2d", "in5"),
    ("deconv3.conv2d", None),
]


def example_state_dict(width=32):
    """Return random weights with the example's names and shapes."""
    generator = torch.Generator().manual_seed(1)

    def random(*shape, scale=1.0):
        return torch.randn(*shape, generator=generator) * scale

    trunk = 4 * width
    channels = [3, width, 2 * width, *[trunk] * (2 * BLOCKS + 1), 2 * width, width, 3]
    state = {}
    for (conv, norm), inputs, outputs in zip(LAYERS, channels[:-1], channels[1:], strict=True):
        kernel = 9 if 3 in (inputs, outputs) else 3
        scale = (inputs * kernel * kernel) ** -0.5
        state[f"{conv}.weight"] = random(outputs, inputs, kernel, kernel, scale=scale)
        state[f"{conv}.bias"] = random(outputs)
        if norm:
            state[f"{norm}.weight"] = random(outputs) + 1
            state[f"{norm}.bias"] = random(outputs)
    # The net outputs levels from 0 to 255.
    state["deconv3.conv2d.weight"] *= 40
    state["deconv3.conv2d.bias"] += 127
    return state


def example_output(state, images):
    """TransformerNet as plain functions: (B, 3, H, W) in [0, 255] to the same, unclamped."""

    def conv(x, name, stride=1, upsample=False):
        weight, bias = state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
        if upsample:
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        x = F.pad(x, [weight.shape[-1] // 2] * 4, mode="reflect")
        return F.conv2d(x, weight, bias, stride=stride)

    def norm(x, name):
        return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])

    y = norm(conv(images, "conv1"), "in1").relu()
    y = norm(conv(y, "conv2", stride=2), "in2").relu()
    y = norm(conv(y, "conv3", stride=2), "in3").relu()
    for i in range(1, BLOCKS + 1):
        branch = norm(conv(y, f"res{i}.conv1"), f"res{i}.in1").relu()
        y = y + norm(conv(branch, f"res{i}.conv2"), f"res{i}.in2")
    y = norm(conv(y, "deconv1", upsample=True), "in4").relu()
    y = norm(conv(y, "deconv2", upsample=True), "in5").relu()
    return conv(y, "deconv3")


@pytest.fixture(scope="module")
def photo(astronaut):
    """(1, 3, 96, 96) in [0, 1]."""
    return torch.from_numpy(open_photo(astronaut).resized(96).rgb.transpose(2, 0, 1)).unsqueeze(0)


def assert_same(net, state, photo):
    with torch.inference_mode():
        expected = (example_output(state, photo * 255) / 255).clamp(0, 1)
        assert (expected == expected.clamp(0.01, 0.99)).float().mean() > 0.02  # not all clamped
        assert (net(photo) - expected).abs().max() < 1e-4


def old_fashioned(state):
    """Return the state as PyTorch 0.3 saved it from a net on several GPUs."""
    norms = {name.rpartition(".")[0] for name in state if "conv2d" not in name}
    extra = {f"{norm}.running_mean": torch.randn(state[f"{norm}.bias"].shape) for norm in norms}
    extra |= {f"{norm}.running_var": torch.rand(state[f"{norm}.bias"].shape) for norm in norms}
    return {f"module.{name}": tensor for name, tensor in {**state, **extra}.items()}


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("candy.pth", torch.save),
        ("epoch_2_1e5.model", torch.save),
        ("old.pth", lambda state, path: torch.save(old_fashioned(state), path)),
        (
            "legacy.pth",
            lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
        ),
        ("wrapped.pth", lambda state, path: torch.save({"state_dict": state, "epoch": 2}, path)),
    ],
)
def test_a_checkpoint_gives_the_output_of_its_formula(tmp_path, photo, name, save):
    state = example_state_dict()
    save(state, tmp_path / name)
    imported = import_checkpoint(tmp_path / name)
    assert imported.importer.name == "pytorch-examples"
    assert imported.described.arguments == {"width": 32, "residual_blocks": 5, "norm": "instance"}
    assert_same(imported.net, state, photo)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda s: s.pop("res3.conv1.conv2d.bias"), "lacks res3.conv1.conv2d.bias"),
        (lambda s: s.pop("res5.conv1.conv2d.weight"), "has unexpected tensors: res5."),
        (lambda s: s.update(fc=torch.ones(1)), "has unexpected tensors: fc"),
        (lambda s: s.update({"in1.weight": torch.ones(7)}), "has tensors of the wrong shape: enc"),
        (
            lambda s: s["in1.weight"].fill_(torch.nan),
            "has non-finite values in encoder.0.norm.weight",
        ),
        (lambda s: s.pop("conv1.conv2d.weight"), "no importer recognises"),
        (
            lambda s: s.update({"conv1.conv2d.bias": torch.ones(7)}),
            "the first convolution has 4 channels, but its bias has the shape (7,)",
        ),
        (lambda s: s.update({"conv1.conv2d.bias": torch.tensor(1.0)}), "has the shape ()"),
        (
            lambda s: s.update({"in1.bias": torch.ones(4, dtype=torch.complex64)}),
            "encoder.0.norm.bias holds complex numbers",
        ),
    ],
)
def test_a_checkpoint_with_a_fault_is_refused_by_name(tmp_path, change, reason):
    state = example_state_dict(width=4)
    change(state)
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError) as error:
        import_checkpoint(tmp_path / "x.pth")
    assert reason in str(error.value)


class Trap:
    """What a hostile pickle holds: a call to an arbitrary function on loading."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_a_pickle_that_would_run_code_is_refused_unread(tmp_path):
    trap = Trap(tmp_path / "sprung")
    torch.save({**example_state_dict(width=4), "more": trap}, tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(pickle.dumps(trap))
    (tmp_path / "c.bin").write_bytes(pickle.dumps(trap, protocol=4))
    torch.save(stylezoo.create_net("johnson", width=4), tmp_path / "d.pth")
    for name in ("a.pth", "b.pth", "c.bin", "d.pth"):
        with pytest.raises(WeightsError, match="can run any code and is never loaded"):
            import_checkpoint(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"hello world" * 9, b"PK\x03\x04broken", b"\x80\x02}"])
def test_a_broken_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "x.pth").write_bytes(content)
    with pytest.raises(WeightsError):
        import_checkpoint(tmp_path / "x.pth")


@pytest.mark.parametrize("content", [b"G\n", b"J\n", b"hello\n"])
def test_a_text_is_recognised_by_no_importer(tmp_path, content):
    """Read as a pickle, a first letter may ask for more bytes than there are."""
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(WeightsError, match="no importer recognises"):
        import_checkpoint(tmp_path / "x.txt")


class GraphBuilder:
    """Writes the example's ONNX graph, with meaningless names.

    Args:
        state: its weights.
        opset: operator set version.
        computed: whether the graph computes padding and sizes, as exporters leave it to.
    """

    def __init__(self, state, opset, computed=False):
        self.state, self.opset, self.computed = state, opset, computed
        self.nodes, self.weights, self.count = [], [], 0

    def constant(self, values):
        self.count += 1
        array = values.numpy() if isinstance(values, torch.Tensor) else values
        self.weights.append(numpy_helper.from_array(array, f"w{self.count}"))
        return f"w{self.count}"

    def node(self, kind, *inputs, **attributes):
        self.count += 1
        self.nodes.append(helper.make_node(kind, inputs, [f"n{self.count}"], **attributes))
        return f"n{self.count}"

    def conv(self, x, name, stride=1, upsample=False):
        weight = self.state[f"{name}.weight"]
        if upsample:
            scales = self.constant(np.array([1, 1, 2, 2], dtype=np.float32))
            if self.opset == 7:
                x = self.node("Upsample", x, mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])
            elif self.opset < 11:
                kind = "Upsample" if self.opset == 9 else "Resize"
                x = self.node(kind, x, scales, mode="nearest")
            else:
                how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
                size = ("", scales)
                if self.computed:
                    shape = self.node("Shape", x)
                    size = ("", "", self.node("Mul", shape, self.constant(np.array([1, 1, 2, 2]))))
                x = self.node("Resize", x, *size, mode="nearest", **how)
        side = weight.shape[-1] // 2
        pads = [0, 0, side, side] * 2
        if self.opset < 11:
            x = self.node("Pad", x, mode="reflect", pads=pads)
        else:
            amounts = self.constant(np.array(pads))
            if self.computed:
                half = self.node("Constant", value_ints=pads[:4])
                amounts = self.node("Concat", half, half, axis=0)
            x = self.node("Pad", x, amounts, mode="reflect")
        bias = self.constant(self.state[f"{name}.bias"])
        kernel = list(weight.shape[2:])
        return self.node(
            "Conv", x, self.constant(weight), bias, kernel_shape=kernel, strides=[stride] * 2
        )

    def norm(self, x, name, epsilon=1e-5):
        weight = self.constant(self.state[f"{name}.weight"])
        bias = self.constant(self.state[f"{name}.bias"])
        return self.node("InstanceNormalization", x, weight, bias, epsilon=epsilon)

    def relu(self, x):
        return self.node("Relu", x)

    def write(self, path, *, end=lambda builder, y: y, skip=None):
        y = self.node("Identity", "picture")
        for i, (conv, norm) in enumerate(LAYERS[:3]):
            y = self.relu(self.norm(self.conv(y, conv, stride=2 if i else 1), norm))
        for block in range(BLOCKS):
            (conv1, in1), (conv2, in2) = LAYERS[3 + 2 * block :][:2]
            start = y
            y = self.relu(self.norm(self.conv(y, conv1), in1))
            middle = y
            y = self.norm(self.conv(y, conv2), in2)
            # Exporters write the operands of the sum in either order.
            y = self.node("Add", *((y, middle if skip else start) if block % 2 else (start, y)))
        for conv, norm in LAYERS[-3:-1]:
            y = self.relu(self.norm(self.conv(y, conv, upsample=True), norm))
        y = end(self, self.conv(y, LAYERS[-1][0]))
        picture = ("picture", TensorProto.FLOAT, [1, 3, "height", "width"])
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info(*picture)],
            [helper.make_tensor_value_info(y, *picture[1:])],
            self.weights,
        )
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.save(model, path)
        return model


@pytest.mark.parametrize(
    ("opset", "computed"), [(7, False), (9, False), (10, False), (13, False), (13, True)]
)
def test_a_graph_gives_the_output_of_its_formula(tmp_path, photo, opset, computed):
    state = example_state_dict()
    GraphBuilder(state, opset, computed).write(tmp_path / "candy.onnx")
    imported = import_checkpoint(tmp_path / "candy.onnx")
    assert imported.importer.name == "pytorch-examples-onnx"
    assert_same(imported.net, state, photo)


def test_a_graph_gives_the_output_of_onnx_itself(tmp_path, photo):
    model = GraphBuilder(example_state_dict(width=4), 13).write(tmp_path / "candy.onnx")
    small = photo[..., :32, :48]
    (expected,) = ReferenceEvaluator(model).run(None, {"picture": (small * 255).numpy()})
    with torch.inference_mode():
        output = import_checkpoint(tmp_path / "candy.onnx").net(small)
    assert np.abs(output.numpy() - (expected / 255).clip(0, 1)).max() < 1e-4


@pytest.mark.parametrize(("source", "rounding"), sorted(REPEATING))
def test_doubling_that_is_taken_repeats_each_pixel(tmp_path, source, rounding):
    how = {"coordinate_transformation_mode": source, "nearest_mode": rounding}
    builder = GraphBuilder(example_state_dict(width=4), 19)
    with_option("Resize", **how)(builder)
    builder.write(tmp_path / "x.onnx")
    import_checkpoint(tmp_path / "x.onnx")
    scales = np.array([1, 1, 2, 2], dtype=np.float32)
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest", **how)
    pixels = np.random.default_rng(0).random((1, 1, 3, 5), dtype=np.float32)
    (doubled,) = ReferenceEvaluator(node).run(None, {"x": pixels, "scales": scales})
    assert np.array_equal(doubled, pixels.repeat(2, axis=2).repeat(2, axis=3))


def with_option(kind, **options):
    """Change the options of all nodes of a kind."""

    def change(builder):
        node = builder.node
        builder.node = lambda k, *inputs, **usual: node(
            k, *inputs, **(usual | options if k == kind else usual)
        )

    return change


def with_constant(usual, other):
    """Replace every occurrence of one array with another."""

    def change(builder):
        constant = builder.constant
        builder.constant = lambda values: constant(
            np.array(other, dtype=values.numpy().dtype if torch.is_tensor(values) else values.dtype)
            if np.array_equal(values, usual)
            else values
        )

    return change


def padding_by_the_picture(builder):
    """Pad by an amount that depends on the picture."""
    node = builder.node

    def change(kind, x, *inputs, **options):
        if kind == "Pad":
            inputs = (node("Cast", node("ReduceMax", x), to=TensorProto.INT64),)
        return node(kind, x, *inputs, **options)

    builder.node = change


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (None, {"end": lambda b, y: b.node("Tanh", y)}, "the picture runs through Tanh"),
        (None, {"end": lambda b, y: b.relu(y)}, "its layers are not those of fast neural style"),
        (None, {"skip": True}, "a residual block adds a layer other than the one it began with"),
        (with_option("InstanceNormalization", epsilon=1e-3), {}, "has epsilon"),
        (with_option("Conv", auto_pad="SAME_UPPER"), {}, "has auto_pad SAME_UPPER, not NOTSET"),
        (with_option("Pad", mode="edge"), {}, "has mode edge, not reflect"),
        (
            with_constant([0, 0, 4, 4, 0, 0, 4, 4], [0, 0, 6, 6, 0, 0, 2, 2]),
            {},
            "pads by [0, 0, 6, 6, 0, 0, 2, 2], not by [0, 0, 4, 4, 0, 0, 4, 4]",
        ),
        (with_constant([1, 1, 2, 2], [1, 1, 3, 3]), {}, "has scales [1.0, 1.0, 3.0, 3.0], not"),
        (with_option("Resize", nearest_mode="ceil"), {}, "asymmetric and nearest_mode ceil, which"),
        (
            with_option("Resize", coordinate_transformation_mode="half_pixel"),
            {},
            "half_pixel and nearest_mode floor, which do not repeat each pixel",
        ),
        (padding_by_the_picture, {}, "it is neither a constant nor computed from constants"),
    ],
)
def test_a_graph_of_another_net_is_refused(tmp_path, change, options, reason):
    builder = GraphBuilder(example_state_dict(width=4), 13)
    if change:
        change(builder)
    builder.write(tmp_path / "x.onnx", **options)
    with pytest.raises(WeightsError) as error:
        import_checkpoint(tmp_path / "x.onnx")
    assert reason in str(error.value)


@pytest.mark.parametrize("attribute", [None, "value", "sparse_value"])
def test_a_graph_never_reads_another_file(tmp_path, attribute):
    model = GraphBuilder(example_state_dict(width=4), 13).write(tmp_path / "x.onnx")
    (weight,) = [w for w in model.graph.initializer if list(w.dims) == [4, 3, 9, 9]]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    if attribute:
        constant = helper.make_node("Constant", [], [weight.name])
        field = constant.attribute.add(name=attribute)
        if attribute == "value":
            field.type = onnx.AttributeProto.TENSOR
            field.t.CopyFrom(weight)
        else:
            field.type = onnx.AttributeProto.SPARSE_TENSOR
            field.sparse_tensor.values.CopyFrom(weight)
        model.graph.node.insert(0, constant)
        model.graph.initializer.remove(weight)
    (tmp_path / "x.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(WeightsError, match=r"stored in another file|has an unsupported type"):
        import_checkpoint(tmp_path / "x.onnx")


def test_a_file_that_is_no_graph_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_text("<html>")
    with pytest.raises(WeightsError, match="is not an ONNX model"):
        import_checkpoint(tmp_path / "x.onnx")
