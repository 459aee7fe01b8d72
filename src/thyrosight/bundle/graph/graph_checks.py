"""Network of a bundle -> an error, unless each of its operations is known and its memory and work have limits.

The hashes of a bundle show that it is whole, not that it is harmless: a graph of a kilobyte can ask for 8 GB or loop
for ever. So before ONNX Runtime sees a graph, it is read here (onnx_reader.py) and followed from the input's size
through every operation (onnx_operators.py): sizes, memory and work are known before anything runs. They depend on the
number of views, so the check is made for each number of views that is predicted at once.
"""

from __future__ import annotations

from collections.abc import Mapping

from thyrosight.bundle.graph.onnx_operators import result_of
from thyrosight.bundle.graph.onnx_reader import FLOAT, Graph, Tensor, read_graph
from thyrosight.bundle.graph.onnx_shapes import Call
from thyrosight.bundle.weight_checks import WeightsError

INPUT, MASK, LOGIT, MAP = "image", "mask_probability", "malignancy_logit", "malignancy_map"
MAX_LIVE_BYTES = 2 << 30
"""For one view: the memory of all tensors that are needed at the same time, constants included. The largest of our
networks needs a tenth of this."""
MAX_MADE_BYTES = 64 << 30
"""For one view: the memory of the outputs of all operations together."""
MAX_WORK = 2 * 10**12
"""For one view, in multiply-adds: a minute or two on one core."""


class GraphChecker:
    """A network, read once.

    `check` follows it for a number of views, and remembers the numbers of views that passed.
    """

    def __init__(self, onnx_bytes: bytes, size_hw: tuple[int, int]) -> None:
        self._graph: Graph = read_graph(onnx_bytes)
        self._size_hw = size_hw
        self._sound: set[int] = set()
        _check_input(self._graph, size_hw)

    def check(self, num_views: int) -> None:
        """WeightsError unless this many views stay within the bounds and give the outputs that a bundle must have."""
        if num_views in self._sound:
            return
        height, width = self._size_hw
        tensors: dict[str, Tensor] = {INPUT: Tensor((num_views, 1, height, width), FLOAT)}
        tensors |= self._graph.constants
        live, made = _followed(self._graph, tensors, num_views)
        if live > MAX_LIVE_BYTES * num_views or made > MAX_MADE_BYTES * num_views:
            raise WeightsError(f"needs {live / 2**30:,.1f} GiB of memory for {num_views} views, more than it may have")
        for name, dtype in _declared_types(self._graph).items():
            if name not in tensors and name in self._graph.outputs:
                raise WeightsError(f"gives no {name!r}, which it names as an output")
            if name in tensors and dtype != tensors[name].dtype:
                raise WeightsError(f"declares {name!r} to be of another type than it is")
        maps, logit = (num_views, 1, height, width), (num_views,)
        for name, shape in ((MASK, maps), (LOGIT, logit), (MAP, maps)):
            found = tensors.get(name)
            if name not in self._graph.outputs or found is None:
                raise WeightsError(f"gives no {name}")
            if found.shape != shape or found.dtype != FLOAT:
                raise WeightsError(f"gives a {name} of {found.shape}, not {shape} numbers of 32 bits")
        self._sound.add(num_views)


def _declared_types(graph: Graph) -> dict[str, int]:
    return graph.declared | {name: dtype for name, (dtype, _) in graph.outputs.items()}


def _check_input(graph: Graph, size_hw: tuple[int, int]) -> None:
    if list(graph.inputs) != [INPUT] or INPUT in graph.constants:
        raise WeightsError(f"takes {sorted(graph.inputs)[:4]}, not {INPUT} alone")
    dtype, sizes = graph.inputs[INPUT]
    if dtype != FLOAT or len(sizes) != 4 or sizes[0] is not None:
        raise WeightsError(f"its {INPUT} is not one of 32-bit numbers for any number of views")
    for declared, size in zip(sizes[1:], (1, *size_hw), strict=True):
        if declared is not None and declared != size:
            raise WeightsError(f"its {INPUT} has a side of {declared}, and the bundle has one of {size}")


def _followed(graph: Graph, tensors: dict[str, Tensor], num_views: int) -> tuple[int, int]:
    """Graph, its known tensors (others are added) -> (most bytes needed at one time, bytes of all outputs)."""
    for name, tensor in graph.constants.items():
        if len(tensor.shape) > 1 and not tensor.num_values:
            raise WeightsError(f"holds the tensor {name!r} without values")
    last_use = _last_uses(graph)
    held = sum(tensor.num_bytes for tensor in graph.constants.values())
    is_constant = set(graph.constants)
    made, live, most = held, held, held
    work = 0
    for index, node in enumerate(graph.nodes):
        call = Call(node, tuple(tensors[name] if name else None for name in _known(node.inputs, tensors)))
        output, its_work = result_of(call)
        name = node.outputs[0]
        if not name or name in tensors:
            raise WeightsError(f"gives {name!r} twice")
        tensors[name] = output
        work += its_work
        if work > MAX_WORK * num_views:
            raise WeightsError(f"takes more than {MAX_WORK:.0e} multiply-adds for a view")
        made += output.num_bytes
        live += output.num_bytes
        most = max(most, live)
        if all(name in is_constant for name in node.inputs if name):
            is_constant.add(name)  # worked out when the network is loaded, and kept
        live -= sum(tensors[gone].num_bytes for gone in last_use[index] if gone not in is_constant)
    return most, made


def _known(names: tuple[str, ...], tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    for name in names:
        if name and name not in tensors:
            raise WeightsError(f"uses {name!r} before it is there")
    return names


def _last_uses(graph: Graph) -> list[list[str]]:
    """-> for each operation, the tensors that no later operation needs; the network's outputs are needed to the end."""
    last: dict[str, int] = {}
    for index, node in enumerate(graph.nodes):
        last |= dict.fromkeys((*node.inputs, *node.outputs), index)
    found: list[list[str]] = [[] for _ in graph.nodes]
    for name, index in last.items():
        if name and name != INPUT and name not in graph.outputs and name not in graph.constants:
            found[index].append(name)
    return found
