"""Several processes on one stage: each computes a share of the rows, all end with the same numbers.

`accelerate launch` starts the processes, on one machine or several. Every one runs the same stage functions with the
same random numbers. What is drawn, scored or learnt from is dealt out row by row, like cards, and gathered again; in a
single process nothing is dealt and nothing gathered.
"""

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn


def launched() -> bool:
    """Whether this process is one of several that `accelerate launch` or `torchrun` started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def is_first() -> bool:
    """Whether this process was launched as the first of all, also before it has found the others."""
    return int(os.environ.get("RANK", "0")) == 0


def start(device: str) -> str:
    """Find the other processes; the device that this one computes on. They part when this one ends."""
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    # else threads of gloo may outlive the interpreter, and the process aborts after its work is done
    atexit.register(state.destroy_process_group)
    return str(state.device)


_alone = False


@contextmanager
def alone() -> Iterator[None]:
    """Inside, nothing is dealt: where another library has given each process rows of its own."""
    global _alone
    before, _alone = _alone, True
    try:
        yield
    finally:
        _alone = before


def size() -> int:
    """How many processes share the work."""
    if _alone:
        return 1
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is; 0 is the one that writes."""
    return dist.get_rank() if size() > 1 else 0


def dealt(rows: Tensor) -> Tensor:
    """This process's share of `rows`: every so many-th. Where there are too few for all, the last is read twice."""
    share = rows[rank() :: size()]
    return share if len(share) else rows[-1:]


def weight(part: Tensor | int, whole: Tensor | int) -> Tensor | float:
    """What the mean over a share of `part` things counts for, so that the mean over processes is that of `whole`."""
    return 1.0 if size() == 1 else size() * part / whole


def gathered(part: Tensor, count: int) -> Tensor:
    """What all processes made of `count` rows that were dealt, in the order of the rows, on every process.

    part: [share, ...], on the device that this process computes on, or on the CPU.
    """
    if size() == 1:
        return part
    longest = -(-count // size())
    kind = torch.uint8 if part.dtype == torch.bool else part.dtype
    mine = torch.zeros(longest, *part.shape[1:], dtype=kind, device=_wire(part.device))
    mine[: len(part)] = part.to(mine.device, kind)
    every = [torch.empty_like(mine) for _ in range(size())]
    dist.all_gather(every, mine)
    rows = torch.stack(every, 1).flatten(0, 1)[:count]  # first of each process, second of each, ...
    return rows.to(part.device, part.dtype)


def average_gradients(model: nn.Module) -> None:
    """Give every process the mean of all gradients; one that has none for a weight counts as 0."""
    if size() == 1:
        return
    for weight in model.parameters():
        if weight.requires_grad:
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
            dist.all_reduce(weight.grad)
            weight.grad /= size()


def agreed(value: int) -> int:
    """What process 0 says."""
    said = torch.tensor([value], device=_wire(torch.device("cpu")))
    dist.broadcast(said, 0)
    return int(said)


def wait() -> None:
    """Until every process is here."""
    if size() > 1:
        dist.barrier()


def _wire(device: torch.device) -> torch.device:
    """Where tensors must be to be sent: NCCL knows GPUs alone."""
    return torch.device("cuda") if dist.get_backend() == "nccl" else torch.device("cpu")
