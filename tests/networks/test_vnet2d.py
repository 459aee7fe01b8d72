"""VNet2d against the original graph's numbers, hand-made SAME padding, and the way in from TensorFlow."""

from __future__ import annotations

import io
import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest

from parts import part_path

torch = pytest.importorskip("torch")

from torch.nn import functional as F

from thyrosight.errors import (
    ConfigError,
    InputError,
    MissingExtraError,
)
from thyrosight.export.tensorflow import read_tensorflow_checkpoint, vnet2d_from_tensorflow, vnet2d_to_tensorflow
from thyrosight.networks.layers import GroupNorm, SameConv2d, SameConvTranspose2d, dropped, norm_by_rows, same_padding
from thyrosight.networks.output import Output
from thyrosight.networks.vnet2d import VNet2d
from thyrosight.training.batch import Batch
from thyrosight.training.losses import (
    LossSettings,
    multitask_loss,
)

NUM_PARAMETERS = 15_977_731
SEED = 1
ORIGINAL = LossSettings(mask="dice", mask_weight=2.0, malignancy_weight=1.0)
"""The original recipe: 2 * Dice + cross-entropy."""


# ---- the oracle: what the original graph computed, and the recipe that draws its weights and inputs ----


def draw_variable(name: str, shape: tuple[int, ...]) -> np.ndarray:
    normal = np.random.default_rng([SEED, zlib.crc32(name.encode())]).standard_normal(shape)
    if "gama" in name:
        value = 1 + 0.1 * normal
    elif len(shape) == 1:
        value = 0.1 * normal
    else:
        fan = shape[0] * shape[1] * shape[3] if "deconv" in name else math.prod(shape[:-1])
        value = normal * np.sqrt(2 / fan)
    return value.astype(np.float32)


@pytest.fixture(scope="session")
def variables() -> dict[str, np.ndarray]:
    named = json.loads((part_path("oracle") / "vnet2d_variables.json").read_text())
    return {name: draw_variable(name, tuple(shape)) for name, shape in named}


@pytest.fixture(scope="session")
def oracle() -> dict[str, np.ndarray]:
    with np.load(part_path("oracle") / "vnet2d_seed1.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="session")
def batch() -> Batch:
    rng = np.random.default_rng([SEED, 999])
    image_BHW1 = rng.random((2, 512, 512, 1)).astype(np.float32)
    mask_BHW1 = (rng.random((2, 512, 512, 1)) > 0.7).astype(np.float32)
    image, mask = (torch.from_numpy(array.transpose(0, 3, 1, 2).copy()) for array in (image_BHW1, mask_BHW1))
    every = torch.ones(2, dtype=torch.bool)
    return Batch(
        image, mask, torch.ones_like(mask, dtype=torch.bool), every, torch.tensor([0, 1]), torch.tensor([0.0, 1.0])
    )


@pytest.fixture(scope="session")
def output(variables, batch) -> Output:
    with torch.no_grad():
        return vnet2d_from_tensorflow(variables)(batch.image_B1HW)


@pytest.mark.part("oracle")
def test_oracle_mask_probability(output, oracle):
    probability_BHW = torch.sigmoid(output.mask_logits_B1HW)[:, 0].numpy()
    np.testing.assert_allclose(probability_BHW, oracle["mask_probability"], rtol=0, atol=1e-4)


@pytest.mark.part("oracle")
def test_oracle_class_logits(output, oracle):
    np.testing.assert_allclose(output.class_logits_B2.numpy(), oracle["class_logits"], rtol=0, atol=1e-3)


@pytest.mark.part("oracle")
def test_oracle_losses(output, batch, oracle):
    loss = multitask_loss(output, batch, ORIGINAL)
    assert loss.parts["mask"].item() == pytest.approx(float(oracle["dice_loss"]), abs=1e-4)
    assert loss.parts["malignancy"].item() == pytest.approx(float(oracle["cross_entropy"]), abs=1e-4)
    assert loss.total.item() == pytest.approx(float(oracle["total_loss"]), abs=1e-4)


@pytest.mark.part("oracle")
def test_oracle_metrics(output, batch, oracle):
    # The original's training metric: intersection over union of probability > 0.8 and target, 1 where both are empty.
    mask_BN = torch.sigmoid(output.mask_logits_B1HW).flatten(1) > 0.8
    target_BN = batch.mask_B1HW.flatten(1) > 0.5
    iou_B = ((mask_BN & target_BN).sum(dim=1) + 1e-5) / ((mask_BN | target_BN).sum(dim=1) + 1e-5)
    assert iou_B.mean().item() == pytest.approx(float(oracle["iou_at_0_8"]), abs=1e-4)
    is_right_B = output.class_logits_B2.argmax(dim=1) == batch.malignancy_B
    assert is_right_B.float().mean().item() == float(oracle["accuracy"])


@pytest.mark.slow
@pytest.mark.part("oracle")
def test_oracle_adam_steps(variables, batch, oracle):
    network = vnet2d_from_tensorflow(variables)
    adam = torch.optim.Adam(network.parameters(), lr=1e-5)
    losses = []
    for step in range(1, 6):
        total = multitask_loss(network(batch.image_B1HW), batch, ORIGINAL).total
        losses.append(total.item())
        if step == 5:
            break
        adam.zero_grad()
        total.backward()
        # TensorFlow adds its eps, 1e-8, before it corrects the bias of the root, torch after: so the steps are the same
        adam.param_groups[0]["eps"] = 1e-8 / math.sqrt(1 - 0.999**step)
        adam.step()
    np.testing.assert_allclose(losses, oracle["loss_per_adam_step"], rtol=0, atol=1e-3)


# ---- TensorFlow's SAME, by hand ----


def test_same_padding_by_hand():
    assert same_padding(8, kernel=3, stride=1) == (1, 1)
    assert same_padding(8, kernel=3, stride=2) == (0, 1)
    assert same_padding(7, kernel=3, stride=2) == (1, 1)
    assert same_padding(1, kernel=3, stride=2) == (1, 1)
    assert same_padding(5, kernel=2, stride=1) == (0, 1)
    assert same_padding(4, kernel=1, stride=2) == (0, 0)


def one_axis_conv(kernel: list[float], stride: int) -> SameConv2d:
    """A convolution whose only non-zero weights lie on the middle row, so that it works along columns."""
    conv = SameConv2d(1, 1, 3, stride)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0, 0, 1] = torch.tensor(kernel)
        conv.bias.zero_()
    return conv


def test_conv_stride_two_even_size_by_hand():
    conv = SameConv2d(1, 1, 3, 2)
    with torch.no_grad():
        conv.weight.copy_(torch.arange(1.0, 10.0).reshape(1, 1, 3, 3))
        conv.bias.fill_(0.5)
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    # windows start at rows and columns 0 and 2; what lies beyond the last row and column is 0
    # (0 0): 1*0+2*1+3*2 +4*4+5*5+6*6 +7*8+8*9+9*10 = 303; (0 1): 1*2+2*3 +4*6+5*7 +7*10+8*11 = 225
    # (1 0): 1*8+2*9+3*10 +4*12+5*13+6*14 = 253;           (1 1): 1*10+2*11 +4*14+5*15 = 163
    expected = torch.tensor([[303.5, 225.5], [253.5, 163.5]])
    torch.testing.assert_close(conv(image)[0, 0], expected)


def test_conv_stride_two_odd_size_by_hand():
    image = torch.zeros(1, 1, 3, 5)
    image[0, 0, 0] = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    # one zero on both sides: columns (0 1 2), (2 3 4), (4 5 0) times (1, 10, 100); row 0 is the first window's middle
    expected = torch.tensor([210.0, 432.0, 54.0])
    torch.testing.assert_close(one_axis_conv([1.0, 10.0, 100.0], 2)(image)[0, 0, 0], expected)


def test_transposed_conv_by_hand():
    up = SameConvTranspose2d(1, 1)
    with torch.no_grad():
        up.weight.copy_(torch.arange(1.0, 10.0).reshape(1, 1, 3, 3))
        up.bias.zero_()
    image = torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]])
    # value (i, j) puts the kernel with its first corner at (2 i, 2 j); row 4 and column 4 fall away
    expected = torch.tensor(
        [
            [1.0, 2.0, 3.0 + 10.0, 20.0],
            [4.0, 5.0, 6.0 + 40.0, 50.0],
            [7.0 + 100.0, 8.0 + 200.0, 9.0 + 70.0 + 300.0 + 1000.0, 80.0 + 2000.0],
            [400.0, 500.0, 600.0 + 4000.0, 5000.0],
        ]
    )
    torch.testing.assert_close(up(image)[0, 0], expected)


def test_transposed_conv_is_the_gradient_of_the_conv():
    conv, up = SameConv2d(3, 5, 3, 2).double(), SameConvTranspose2d(5, 3).double()
    with torch.no_grad():
        up.weight.copy_(conv.weight)
        up.bias.zero_()
        conv.bias.zero_()
    wide = torch.randn(2, 3, 6, 8, dtype=torch.float64, requires_grad=True)
    narrow = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    (conv(wide) * narrow).sum().backward()
    torch.testing.assert_close(up(narrow), wide.grad)


# ---- normalisation ----


def test_norm_by_rows_is_group_norm():
    features = 3 + torch.randn(2, 6, 5, 7, dtype=torch.float64)
    torch.testing.assert_close(norm_by_rows(features, 3, 1e-5), F.group_norm(features, 3, eps=1e-5))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("mean", "deviation"), [(0.7, 0.0), (0.3, 1e-4), (1.0, 1e-3)])
def test_norm_keeps_its_digits_in_onnx_where_the_image_is_nearly_constant(mean, deviation):
    """The plain operator, InstanceNormalization, is off by 0.14, 0.01 and 0.0006 here."""
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    torch.manual_seed(4)
    features = mean + deviation * torch.randn(1, 4, 512, 512)
    buffer = io.BytesIO()
    norm = GroupNorm(2, 4, eps=1e-5).eval()
    torch.onnx.export(norm, (features,), buffer, dynamo=False, input_names=["features"], opset_version=17)
    session = runtime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    (from_onnx,) = session.run(None, {"features": features.numpy()})
    exact = F.group_norm(features.double(), 2, eps=1e-5).numpy()
    np.testing.assert_allclose(from_onnx, exact, rtol=0, atol=2e-6)


# ---- the network ----


@pytest.fixture(scope="module")
def network() -> VNet2d:
    torch.manual_seed(0)
    return VNet2d().eval()


def test_parameter_count(network):
    assert sum(parameter.numel() for parameter in network.parameters()) == NUM_PARAMETERS


def test_any_size_is_padded_with_zeros_and_cropped_back(network):
    image = torch.rand(1, 1, 50, 41)
    padded = F.pad(image, (0, 23, 0, 14))
    with torch.no_grad():
        output, whole = network(image), network(padded)
    assert output.mask_logits_B1HW.shape == output.malignancy_map_B1HW.shape == (1, 1, 50, 41)
    torch.testing.assert_close(output.mask_logits_B1HW, whole.mask_logits_B1HW[:, :, :50, :41])
    torch.testing.assert_close(output.class_logits_B2, whole.class_logits_B2)
    assert not output.malignancy_map_B1HW.any()


def test_images_of_a_batch_do_not_see_each_other(network):
    image = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        both, alone = network(image), network(image[1:])
    torch.testing.assert_close(both.mask_logits_B1HW[1:], alone.mask_logits_B1HW, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both.class_logits_B2[1:], alone.class_logits_B2, rtol=1e-4, atol=1e-5)


def test_dropout_only_in_training(network):
    image = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        first, second = network(image), network(image)
        torch.testing.assert_close(first.class_logits_B2, second.class_logits_B2, rtol=0, atol=0)
        network.train()
        noisy = network(image)
        network.eval()
    assert not torch.equal(noisy.mask_logits_B1HW, first.mask_logits_B1HW)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("probability", [0.5, 0.2])
def test_dropped_values_are_zero_or_scaled_and_so_is_the_gradient(layout, probability):
    torch.manual_seed(2)
    features = (1 + torch.rand(2, 8, 65, 63)).to(memory_format=layout).requires_grad_()
    result = dropped(features, probability)
    result.sum().backward()
    is_kept = result != 0
    share = is_kept.float().mean().item()
    assert share == pytest.approx(1 - probability, abs=5 * math.sqrt(probability * (1 - probability) / 65520))
    torch.testing.assert_close(result[is_kept], features[is_kept] / (1 - probability))
    torch.testing.assert_close(features.grad, is_kept / (1 - probability))
    # neighbours along every axis agree as often as independent draws do
    for axis in range(4):
        first, second = is_kept.narrow(axis, 0, 1), is_kept.narrow(axis, 1, 1)
        expected = probability**2 + (1 - probability) ** 2
        assert (first == second).float().mean().item() == pytest.approx(expected, abs=2.5 / math.sqrt(first.numel()))


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_dropped_at_the_ends(probability, expected):
    assert (dropped(torch.ones(3, 3), probability) == expected).all()


def test_dropout_follows_the_seed():
    features = torch.ones(2, 3, 5, 7)
    torch.manual_seed(9)
    first, second = dropped(features, 0.5), dropped(features, 0.5)
    torch.manual_seed(9)
    assert torch.equal(dropped(features, 0.5), first)
    assert not torch.equal(first, second)


def test_every_parameter_learns(network):
    image = torch.rand(2, 1, 64, 64)
    output = network(image)
    (output.mask_logits_B1HW.square().sum() + output.class_logits_B2.square().sum()).backward()
    silent = [name for name, parameter in network.named_parameters() if not parameter.grad.abs().sum() > 0]
    network.zero_grad(set_to_none=True)
    assert silent == []


def test_original_initialisation_has_the_recipes_bounds():
    torch.manual_seed(3)
    drawn = vnet2d_to_tensorflow(VNet2d(init="original"))
    inputs_outputs_gain = {
        "layer0W": (9, 16, math.sqrt(2)),
        "layer5_2W": (9 * 256, 256, math.sqrt(2)),
        "down3W": (9 * 64, 128, math.sqrt(2)),
        "deconv1W": (9 * 512, 256, math.sqrt(2)),
        "fc1W": (512 * 512, 512, math.sqrt(2)),
        "classify_outputW": (512 * 2, 2, math.sqrt(2)),
        "outputW": (16, 1, 1.0),
    }
    for name, (inputs, outputs, gain) in inputs_outputs_gain.items():
        bound = gain * math.sqrt(6 / (inputs + outputs))
        assert 0.8 * bound < np.abs(drawn[name]).max() <= bound * (1 + 1e-6), name
    for name, value in drawn.items():
        if name.endswith("gama"):
            assert (value == 1).all(), name
        elif name.endswith("beta"):
            assert (value == 0).all(), name
        elif name.endswith("B"):
            assert (value == np.float32(0.1)).all(), name


def test_he_initialisation_keeps_the_variance():
    torch.manual_seed(3)
    drawn = vnet2d_to_tensorflow(VNet2d(init="he"))
    assert drawn["layer4_1W"].std() == pytest.approx(math.sqrt(2 / (9 * 128)), rel=0.02)
    assert drawn["deconv1W"].std() == pytest.approx(math.sqrt(2 / (9 * 512 / 4)), rel=0.02)
    assert drawn["fc1W"].std() == pytest.approx(math.sqrt(2 / 512), rel=0.02)
    assert not drawn["layer4_1B"].any()


def test_unknown_initialisation_is_told_the_known_ones():
    with pytest.raises(ConfigError, match="original, he"):
        VNet2d(init="xavier")


# ---- from TensorFlow ----


def test_every_tensorflow_variable_is_mapped_and_comes_back(variables):
    network = vnet2d_from_tensorflow(variables)
    back = vnet2d_to_tensorflow(network)
    assert list(back) == list(variables)
    assert len(back) == 154
    assert len(back) == sum(1 for _ in network.parameters())
    for name, value in variables.items():
        np.testing.assert_array_equal(back[name], value, err_msg=name)
    assert not network.training


def test_refuses_missing_unknown_misshapen_and_not_finite(network):
    good = vnet2d_to_tensorflow(network)
    bad = dict(good)
    del bad["down2groupgroup_beta"]
    bad["layer12W"] = np.zeros(3)
    bad["deconv3W"] = good["deconv3W"].transpose(0, 1, 3, 2)
    bad["fc1B"] = np.full(512, np.nan)
    with pytest.raises(InputError) as raised:
        vnet2d_from_tensorflow(bad)
    message = str(raised.value)
    assert "missing: down2groupgroup_beta;" in message
    assert "unknown: layer12W;" in message
    assert "deconv3W is (3, 3, 128, 64), not (3, 3, 64, 128)" in message
    assert "not finite: fc1B" in message


def test_an_empty_mapping_names_a_few_and_counts_the_rest():
    with pytest.raises(InputError, match=r"missing: layer0W, .* and 148 more"):
        vnet2d_from_tensorflow({})


def test_no_checkpoint_or_several_say_so(tmp_path):
    with pytest.raises(InputError, match="no checkpoint in this folder"):
        read_tensorflow_checkpoint(tmp_path)
    with pytest.raises(InputError, match="no checkpoint here"):
        read_tensorflow_checkpoint(tmp_path / "Vnet2d.pd")
    for name in ("Vnet2d.pd-10.index", "Vnet2d.pd-20.index"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(InputError, match=r"2 checkpoints .*: Vnet2d.pd-10, Vnet2d.pd-20"):
        read_tensorflow_checkpoint(tmp_path)


def test_without_tensorflow_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "Vnet2d.pd.index").write_bytes(b"")
    monkeypatch.setitem(__import__("sys").modules, "tensorflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'thyrosight\[tensorflow\]'"):
        read_tensorflow_checkpoint(tmp_path)


def write_checkpoint(prefix: Path, values: dict[str, np.ndarray]) -> None:
    """As the original saves it: a TensorFlow 1 graph with its optimiser's variables, by tf.train.Saver."""
    tf = pytest.importorskip("tensorflow")
    tf1 = tf.compat.v1
    with tf1.Graph().as_default(), tf1.Session() as session:
        for name, value in values.items():
            tf1.get_variable(name, initializer=value, use_resource=False)
        weight = tf1.get_variable("layer0W/Adam", initializer=np.zeros(2, np.float32), use_resource=False)
        tf1.get_variable("layer0W/Adam_1", initializer=np.zeros(2, np.float32), use_resource=False)
        for name in ("beta1_power", "beta2_power"):
            tf1.get_variable(name, initializer=np.float32(0.9), use_resource=False)
        tf1.get_variable("global_step", initializer=np.int64(3), use_resource=False)
        assert weight.name == "layer0W/Adam:0"
        session.run(tf1.global_variables_initializer())
        tf1.train.Saver().save(session, str(prefix))


def test_checkpoint_end_to_end(tmp_path, network):
    values = vnet2d_to_tensorflow(network)
    write_checkpoint(tmp_path / "Vnet2d.pd", values)
    for path in (tmp_path, tmp_path / "Vnet2d.pd", tmp_path / "Vnet2d.pd.meta"):
        read = read_tensorflow_checkpoint(path)
        assert sorted(read) == sorted(values)
    restored = vnet2d_from_tensorflow(read)
    for (name, ours), theirs in zip(network.named_parameters(), restored.parameters(), strict=True):
        assert torch.equal(ours, theirs), name


def test_damaged_checkpoint_is_one_clear_line(tmp_path):
    pytest.importorskip("tensorflow")
    write_checkpoint(tmp_path / "Vnet2d.pd", {"layer0W": np.zeros((3, 3, 1, 16), np.float32)})
    (tmp_path / "Vnet2d.pd.data-00000-of-00001").unlink()
    with pytest.raises(InputError, match=r"can't read this checkpoint"):
        read_tensorflow_checkpoint(tmp_path / "Vnet2d.pd")
    (tmp_path / "Vnet2d.pd.index").write_bytes(b"not an index")
    with pytest.raises(InputError, match=r"can't read this checkpoint"):
        read_tensorflow_checkpoint(tmp_path / "Vnet2d.pd")
