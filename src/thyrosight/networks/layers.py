"""Layers of several networks: TensorFlow's SAME padding, fast dropout, norms that ONNX Runtime computes exactly."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Input size -> (before, after): how many zeros TensorFlow's SAME adds along that axis.

    There are ceil(size / stride) outputs. If the number of zeros is odd, the additional one is after the input: a
    kernel of 3 at stride 2 pads an even size by (0, 1) and an odd size by (1, 1). Source:
    tensorflow.org/api_docs/python/tf/nn, "Notes on padding".
    """
    num_outputs = -(-size // stride)
    total = max((num_outputs - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """Convolution with bias and TensorFlow's SAME padding: H, W -> ceil(H / stride), ceil(W / stride)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride)

    def forward(self, input: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1 and kernel % 2 == 1:
            return F.conv2d(input, self.weight, self.bias, padding=kernel // 2)
        top, bottom = same_padding(input.shape[2], kernel, stride)
        left, right = same_padding(input.shape[3], kernel, stride)
        return F.conv2d(F.pad(input, (left, right, top, bottom)), self.weight, self.bias, stride)


class SameConvTranspose2d(nn.ConvTranspose2d):
    """3 x 3 stride 2 transposed convolution with bias, aligned as TensorFlow's SAME: H, W -> 2 H, 2 W.

    It is the gradient of the SAME convolution from 2 H to H. That convolution pads at the end only, so the last of the
    2 H + 1 rows is dropped. (torch's padding=1, output_padding=1 drops the first row: a shift by one pixel.)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, 2)

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        assert output_size is None, "the size is always twice the input's"
        height, width = 2 * input.shape[2], 2 * input.shape[3]
        return F.conv_transpose2d(input, self.weight, self.bias, 2)[:, :, :height, :width]


def dropped(features: Tensor, probability: float) -> Tensor:
    """Dropout: a value becomes 0 with this `probability`, else value / (1 - probability) (Srivastava et al. 2014).

    On a CPU torch draws one number per value on one thread, which takes a third of a training step. This draws one 64
    bit number for four values, so the probability is rounded to a multiple of 1 / 65536 (0.5 is exact).
    """
    if features.device.type != "cpu" or not 0.0 < probability < 1.0:
        return F.dropout(features, probability)
    num_values = features.numel()
    words = torch.empty(-(-num_values // 4), dtype=torch.int64).random_(-(2**63), None)
    is_kept = words.view(torch.int16)[:num_values] >= round(probability * 65536) - 32768
    layout = torch.empty_like(features).stride()
    return features * is_kept.as_strided(features.shape, layout).to(features.dtype).div_(1.0 - probability)


class Dropout(nn.Dropout):
    """`dropped` in training, the identity in evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        return dropped(input, self.p) if self.training else input


def norm_by_rows(features_BCHW: Tensor, num_groups: int, eps: float) -> Tensor:
    """Group normalisation without scale and shift.

    Its mean is taken over each row, and then over the means of the rows. A float32 sum of some hundred values keeps its
    digits; a sum of a hundred thousand values does not. In a nearly constant channel (black around the ultrasound) the
    deviation is small, so the division by it would enlarge the error of the mean. The mean is subtracted twice, and the
    second time removes the error of the first.
    """
    batch, channels, height, width = features_BCHW.shape
    rows = features_BCHW.reshape(batch, num_groups, -1, width)
    centred = rows - _mean_by_rows(rows)
    centred = centred - _mean_by_rows(centred)
    variance = _mean_by_rows(centred * centred)
    return (centred / torch.sqrt(variance + eps)).reshape(batch, channels, height, width)


def _mean_by_rows(rows: Tensor) -> Tensor:
    return rows.mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)


class GroupNorm(nn.GroupNorm):
    """torch's own group norm; an exported graph holds the single operations of `norm_by_rows` instead.

    Otherwise it would be exported as ONNX's InstanceNormalization, whose sums in ONNX Runtime lose digits: the mask's
    probability differed by up to 2e-4 on ultrasound and by 7e-4 on a constant image.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            return super().forward(input)
        normal = norm_by_rows(input, self.num_groups, self.eps)
        return normal * self.weight[:, None, None] + self.bias[:, None, None]
