"""Network -> the same network with batch norm over all processes, on any backend (torch's own needs CUDA)."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn


class SyncNorm(nn.BatchNorm2d):
    """Batch norm with mean and variance over the batches of all processes together (Ioffe & Szegedy 2015).

    The gradients that flow through mean and variance are summed over all processes as well.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and torch.distributed.is_initialized()):
            return super().forward(input)
        values = input if input.dtype == torch.float64 else input.float()
        count = values.new_tensor([float(values.numel() // values.shape[1])])
        sums = _summed(torch.cat([values.sum(dim=(0, 2, 3)), count]))
        total = sums[-1].detach()
        mean = sums[:-1] / total
        # In two passes: the mean of squares minus the square of the mean loses the digits of a small variance.
        centred = values - mean[:, None, None]
        variance = _summed((centred * centred).sum(dim=(0, 2, 3))) / total
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1).clamp(min=1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        normed: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]
        return normed.to(input.dtype)


class _Sum(torch.autograd.Function):
    """Sum over all processes. All processes use the sum, so its gradient is the sum of their gradients."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        return _all_reduced(values)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        return _all_reduced(gradients[0])


def _all_reduced(values: Tensor) -> Tensor:
    total = values.detach().clone(memory_format=torch.contiguous_format)
    torch.distributed.all_reduce(total)
    return total


def _summed(values: Tensor) -> Tensor:
    return cast(Tensor, _Sum.apply(values))  # type: ignore[no-untyped-call]


def convert_sync_norm(network: nn.Module) -> nn.Module:
    """Turn every BatchNorm2d into a SyncNorm in place; names and state stay the same."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncNorm
    return network
