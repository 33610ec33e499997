"""What to say when a batch does not fit into memory."""

from lightning.pytorch.utilities.memory import is_oom_error

from scan2seg.errors import InputError


def is_shortage(error: BaseException) -> bool:
    """Tell whether an error is a failed allocation, of a GPU or of the processor."""
    return isinstance(error, MemoryError) or bool(is_oom_error(error))


def explain_shortage(error: BaseException, key: str, size: int, devices: int = 1) -> InputError | None:
    """Turn a failed allocation, of a GPU or of the processor, into advice; None for any other error.

    Args:
        error: what was raised.
        key: of the batch size in the recipe.
        size: the batch size.
        devices: of which the batch size is a multiple.
    """
    if not is_shortage(error):
        return None
    smaller = max(1, size // 2 // devices) * devices
    advice = f"try {smaller}" if smaller < size else "give smaller patches (patching.size) or a narrower network"
    return InputError(f"{key}: {size} patches do not fit into memory; {advice} ({type(error).__name__})")
