"""Rows are read in the order that costs least, and answered in their own."""

import torch

from overopt.models.fast.reading import read_rows, reading_order


def test_rows_that_begin_alike_stand_side_by_side_where_they_share_much():
    alike = torch.tensor([[5, 6, 7, 1], [3, 3, 3, 4], [5, 6, 7, 0], [3, 3, 3, 2]])
    assert reading_order(alike, torch.tensor([4, 4, 3, 4])).tolist() == [3, 1, 2, 0]
    apart = torch.tensor([[5, 6, 7, 8], [4, 5, 6, 0], [3, 0, 0, 0]])
    assert reading_order(apart, torch.tensor([4, 3, 1])).tolist() == [2, 1, 0]


def test_answers_stand_in_the_order_of_the_rows():
    ids = torch.randint(0, 3, (150, 5), generator=torch.Generator().manual_seed(0))
    lengths = torch.full((150,), 5)
    asked = []

    def read(rows):
        asked.extend(rows.tolist())
        return ids[rows].sum(1).float()

    found = read_rows(ids, lengths, read, device=torch.device("cpu"), batch=7)
    assert torch.equal(found, ids.sum(1).float())
    assert sorted(asked) == list(range(150))
    assert asked == reading_order(ids, lengths).tolist() != list(range(150))
