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
        count = values.new_tensor(float(values.numel() // values.shape[1]))
        sums = torch.cat([values.sum(dim=(0, 2, 3)), (values * values).sum(dim=(0, 2, 3)), count[None]])
        sums = all_reduce(sums)  # type: ignore[no-untyped-call]
        channels, total = values.shape[1], sums[-1]
        mean = sums[:channels] / total
        variance = sums[channels : 2 * channels] / total - mean * mean
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.momentum is not None
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * total / (total - 1).clamp(min=1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        scale = self.weight * torch.rsqrt(variance.clamp(min=0) + self.eps)
        shift = self.bias - mean * scale
        normed: Tensor = values * scale[:, None, None] + shift[:, None, None]
        return normed.to(input.dtype)


def convert_sync_norm(network: nn.Module) -> nn.Module:
    """Turn every BatchNorm2d into a SyncNorm in place; names and state stay the same."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SyncNorm
    return network
