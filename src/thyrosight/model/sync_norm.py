"""A network -> the same with batch norm over all processes, on any backend (torch's own needs CUDA)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SyncNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance are those of the global batch (Ioffe & Szegedy 2015), gradients included."""

    def forward(self, input: Tensor) -> Tensor:
        if not (self.training and torch.distributed.is_initialized()):
            return super().forward(input)
        values = input.float()
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


def _summed(values: Tensor) -> Tensor:
    """Sum over all processes, with the gradient of all of them."""
    summed: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return summed


def convert_sync_norm(network: nn.Module) -> nn.Module:
    """Turn every BatchNorm2d into a SyncNorm in place; names and state stay the same."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncNorm
    return network
