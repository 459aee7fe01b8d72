"""Run by torchrun with two processes: the gradients of one training step of a network against those of one process.

    torchrun --nproc-per-node 2 two_processes.py NETWORK float32|float64

The two processes have different numbers of outlined, rated and empty rows. Classes have weights, and every part of the
loss has one. Prints the largest difference of a parameter's gradient, relative to the largest gradient of that
parameter, and fails where it is above LIMITS.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from thyrosight.config import NetworkConfig
from thyrosight.networks import build_network
from thyrosight.networks.sync_norm import convert_sync_norm
from thyrosight.training.batch import Batch
from thyrosight.training.losses import LossSettings, multitask_loss, shared_loss

LIMITS = {"float64": 1e-5, "float32": 2e-2}
"""The losses are float32 in both, so with a float64 network only the rounding of the losses remains."""
LOSS = LossSettings(
    mask="dice+cross_entropy", map_weight=0.5, presence_weight=0.2, label_smoothing=0.05, class_weights=(0.6, 2.5)
)


def network(name: str, dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    settings = replace(NetworkConfig(), name=name, pretrained=False, dropout=0.0, drop_path=0.0)
    return build_network(settings).to(dtype).train()


def whole_batch(dtype: torch.dtype) -> Batch:
    torch.manual_seed(1)
    image = torch.rand(8, 1, 64, 64, dtype=dtype)
    mask = (torch.nn.functional.avg_pool2d(image, 9, 1, 4) > 0.5).float()
    mask[3] = 0.0
    has_mask = torch.tensor([True, True, False, True, True, False, False, True])
    risk = torch.tensor([1.0, 0.0, -1.0, 1.0, 0.3, -1.0, -1.0, 0.0])
    rated = torch.tensor([1, 0, -1, 1, -1, -1, -1, 0])
    return Batch(image, mask, torch.ones_like(mask, dtype=torch.bool), has_mask, rated, risk)


def part_of(batch: Batch, rank: int) -> Batch:
    return Batch(**{name: value[rank::2] for name, value in vars(batch).items() if value is not None})


def main() -> None:
    name, dtype = sys.argv[1], getattr(torch, sys.argv[2])
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    batch = whole_batch(dtype)
    whole = network(name, dtype)
    shared = DistributedDataParallel(convert_sync_norm(network(name, dtype)))
    one = multitask_loss(whole(batch.image_B1HW), batch, LOSS)
    one.total.backward()
    own = part_of(batch, rank)
    two = shared_loss(multitask_loss(shared(own.image_B1HW), own, LOSS), own, LOSS)
    two.total.backward()
    means = torch.stack([value.detach().float() for value in two.parts.values()])
    torch.distributed.all_reduce(means)
    torch.testing.assert_close(
        means / 2, torch.stack([v.detach().float() for v in one.parts.values()]), rtol=1e-4, atol=1e-5
    )
    worst, where = 0.0, ""
    for (parameter, left), right in zip(whole.named_parameters(), shared.module.parameters(), strict=True):
        if left.grad is not None and left.grad.abs().max() > 1e-6:
            difference = float((left.grad - right.grad).abs().max() / left.grad.abs().max())
            worst, where = max((worst, where), (difference, parameter))
    if rank == 0:
        print(f"{name} {sys.argv[2]}: {worst:.2e} in {where}")
    assert worst < LIMITS[sys.argv[2]], (worst, where)
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    sys.stdout.flush()
    os._exit(0)  # PyTorch 2.13 aborts one process in ten that ends by itself: Gloo's threads outlive the interpreter


if __name__ == "__main__":
    main()
