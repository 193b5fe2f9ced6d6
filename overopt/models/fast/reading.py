"""Many rows through a model without gradients: a batch at a time, in the order that costs least."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from overopt.models.fast.packing import common_starts, rows_at_once
from overopt.util import processes

WORTH_SHARING = (
    0.2  # of the tokens: above that, reading a prompt once saves more than rows of unlike length cost
)


@torch.inference_mode()
def read_rows(
    ids: Int[Tensor, "rows columns"],
    lengths: Int[Tensor, " rows"],
    read: Callable[[Int[Tensor, " part"]], Float[Tensor, " part"]],
    *,
    device: torch.device,
    batch: int,
) -> Float[Tensor, " rows"]:
    """One number a row, on the CPU, in the order of the rows; `read` gives those of the rows that it is told.

    Rows are `ids` from column 0 to `lengths`. `batch` changes no result.
    """
    found, order = [], reading_order(ids, lengths)
    for rows in processes.dealt(order).split(rows_at_once(device, batch)):
        found.append(read(rows).cpu())
    values = torch.empty(len(ids))
    values[order] = processes.gathered(torch.cat(found), len(ids))
    return values


def reading_order(ids: Int[Tensor, "rows columns"], lengths: Int[Tensor, " rows"]) -> Int[Tensor, " rows"]:
    """Rows that begin alike side by side, where that saves work; else by length: short ones do not pay for long ones."""
    ids, lengths = ids.cpu(), lengths.cpu()
    alike = torch.from_numpy(np.lexsort(ids.numpy().T[::-1]))
    saved = common_starts(ids[alike], lengths[alike]).sum() / lengths.sum()
    return alike if saved > WORTH_SHARING else lengths.argsort(stable=True)
