"""Probabilities are kept in steps of 1/255, to the nearest, and what is most probable stays so but for ties."""

import numpy as np
import torch

from scan2seg.probabilities import STEPS, decode, encode


def test_what_is_kept_is_the_nearest_step() -> None:
    found = torch.rand(5, 40, 30, generator=torch.Generator().manual_seed(0))
    kept = encode(found)
    assert kept.dtype == torch.uint8
    back = decode(kept.numpy())
    assert back.dtype == np.float32 and np.abs(back - found.numpy()).max() <= 0.5 / STEPS + 1e-6
    ends = torch.tensor([0.0, 1.0])
    assert decode(encode(ends).numpy()).tolist() == [0.0, 1.0]
    assert torch.equal(encode(torch.from_numpy(back)), kept)


def test_what_is_most_probable_stays_so_where_it_is_so_by_more_than_a_step() -> None:
    found = torch.randn(4, 100, 100, generator=torch.Generator().manual_seed(0)).mul(3).softmax(dim=0)
    first, second = found.topk(2, dim=0).values
    clear = (first - second > 1 / STEPS).numpy()
    back = decode(encode(found).numpy())
    assert clear.mean() > 0.9 and (back.argmax(axis=0) == found.argmax(dim=0).numpy())[clear].all()


def test_stores_of_before_hold_numbers() -> None:
    assert decode(np.array([0.25, 1], np.float16)).tolist() == [0.25, 1.0]
