"""What the processes of one training do together; a training of one process is a group of one."""

from typing import TypeVar

from torch import distributed

Value = TypeVar("Value")


def rank() -> int:
    """Return the number of this process, from 0."""
    return int(distributed.get_rank()) if distributed.is_initialized() else 0


def world() -> int:
    """Return how many processes train together."""
    return int(distributed.get_world_size()) if distributed.is_initialized() else 1


def gather(value: Value) -> list[Value]:
    """Return everyone's value, by rank; every process must call it, and waits for the others."""
    if world() == 1:
        return [value]
    values: list[Value | None] = [None] * world()
    distributed.all_gather_object(values, value)
    return values  # type: ignore[return-value]
