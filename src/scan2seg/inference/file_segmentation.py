"""A trained model put to work without a workflow: images and volumes in, labels and what they tell out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scan2seg.config.image_reading import Reading
from scan2seg.device import set_threads
from scan2seg.errors import InputError, explain_surroundings
from scan2seg.inference.applied_model import AppliedModel, FileOptions
from scan2seg.inference.image_segmentation import ImageLabels, ImagePixels, compute_labels, read_image, write_labels
from scan2seg.inference.labelling import image_channels
from scan2seg.inference.members import Member, describe_inference, load_predictor
from scan2seg.inference.recorded_settings import recall
from scan2seg.inference.segmentation_inputs import Input, find_inputs
from scan2seg.inference.segmentation_outputs import check_outputs, describe, is_done, output_name, write_table
from scan2seg.inference.tiling import Predictor
from scan2seg.inference.volume_segmentation import segment_volume
from scan2seg.logging import counting_pixels
from scan2seg.provenance import code_stamp, describe_inputs, fingerprint, record, stamp, versions
from scan2seg.sources import Item
from scan2seg.streaming import overlap

_Step = tuple[str, Any]
"""What identifies the labels of an input, and what was made of it so far."""


def segment_inputs(members: Sequence[Member], paths: Sequence[Path], output: Path, options: FileOptions) -> list[str]:
    """Segment images and volumes; return what went wrong with some of them, a sentence each, while others are done.

    Beside each label file stands a JSON file with its name: shares of the classes, particles, sizes, what makes the
    input unlike the training images, and the provenance. ``summary.csv`` has a row an input and class, of everything in
    the folder. An input whose labels are there, made by the same model, code and libraries in the same way from the
    same file, is passed over. Nothing is replaced that this command did not write.

    Args:
        members: the trained model, or those of an ensemble, and how each is applied.
        paths: images, volumes, and folders of them; see ``segmentation_inputs.find_inputs``.
        output: the folder to write to.
        options: how files are read and where the model computes.

    Raises:
        InputError: a path is not there or holds nothing, an output would replace what is not its own, or the
            checkpoint is unreadable.
    """

    def find(predictor: Predictor) -> list[Input]:
        deep = predictor.model.dimensions == 3 or predictor.neighbours > 0
        return find_inputs(paths, output=output, volumes=deep, channels=image_channels(predictor))

    return segment_found(members, find, output, options)


def segment_found(
    members: Sequence[Member], find: Callable[[Predictor], list[Input]], output: Path, options: FileOptions
) -> list[str]:
    """Segment what is found for a model, as ``segment_inputs`` does."""
    set_threads(options.threads)
    predictor = load_predictor(members, options.device)
    reading = _find_reading(predictor, members[0].checkpoint)
    inputs = find(predictor)
    check_outputs(inputs, output)
    settings = {"inference": describe_inference(members), "key": options.key, "pixel_size": options.pixel_size}
    checkpoints = describe_inputs([member.checkpoint for member in members])
    total = sum(each.count_pixels(reading, options.key) for each in inputs)
    with counting_pixels("segmenting", total) as advance:
        applied = AppliedModel(predictor, reading, output, settings, checkpoints, advance, options)
        files = _Files(inputs, applied)
        overlap(len(inputs), files.read, files.compute, files.write)
    if output.is_dir():
        write_table(output)
    return [problem for _, problem in sorted(files.problems.items())]


def refuse_unfinished(problems: Sequence[str]) -> None:
    """Raise what ``segment_inputs`` returned as one error, if there is anything.

    Raises:
        InputError: some inputs could not be segmented.
    """
    if problems:
        raise InputError("\n".join([*problems, f"{len(problems)} of the inputs could not be segmented, see above"]))


def _find_reading(predictor: Predictor, checkpoint: Path) -> Reading:
    content = predictor.description.get("reading")
    if content is None:
        raise InputError(f"{checkpoint}: does not say how its images were read; train the model anew")
    return recall(Reading, content, checkpoint, "how its images were read")


class _Files:
    """Inputs that are read, segmented and written one behind the other; what fails of one does not stop the others."""

    def __init__(self, inputs: Sequence[Input], applied: AppliedModel) -> None:
        self._inputs, self._applied = inputs, applied
        self.problems: dict[int, str] = {}
        """What went wrong, by the place of the input."""

    def read(self, place: int) -> _Step | None:
        """Read an image, or list the slices of a volume; None where there is nothing to do, or it cannot be read."""
        with self._noting(place):
            found, applied = self._inputs[place], self._applied
            for path in found.paths:
                if not path.exists():
                    raise InputError(f"{path}: is not there, or links to nothing; mend the link or remove it")
            mark = _identify(found, applied)
            if is_done(applied.output / output_name(found), found.paths[0], mark):
                applied.advance(found.count_pixels(applied.reading, applied.options.key))
                return None
            items = found.read_items(applied.reading, applied.options.key)
            _check_input(found, items[0], applied)
            return mark, items if found.is_volume else read_image(found, items, applied)
        return None

    def compute(self, place: int, step: _Step | None) -> _Step | None:
        """Segment an input; a volume is written too, slab by slab."""
        with self._noting(place):
            if step is None:
                return None
            found, (mark, given) = self._inputs[place], step
            if isinstance(given, ImagePixels):
                return mark, compute_labels(found, given, self._applied)
            return mark, segment_volume(found, given, self._applied.output / output_name(found), self._applied)
        return None

    def write(self, place: int, step: _Step | None) -> None:
        """Write the labels of an image, and what those of any input tell."""
        with self._noting(place):
            if step is None:
                return
            found, applied, (mark, made) = self._inputs[place], self._applied, step
            target = applied.output / output_name(found)
            facts = write_labels(found, made, target, applied) if isinstance(made, ImageLabels) else made
            provenance = record(applied.settings, [*found.paths]) | {"model": applied.checkpoints}
            describe(target, found.paths[0], mark, {**facts, "provenance": provenance})

    @contextmanager
    def _noting(self, place: int) -> Iterator[None]:
        path = self._inputs[place].paths[0]
        try:
            yield
        except InputError as error:
            said = str(error)
            self.problems[place] = said if str(path) in said else f"{path}: {said}"
        except OSError as error:
            self.problems[place] = f"{path}: {error.filename or self._applied.output}: {error.strerror}"
        except (ImportError, MemoryError) as error:
            self.problems[place] = explain_surroundings(path, error) or str(error)
        except RuntimeError as error:
            from scan2seg.training.shortage import is_shortage

            # torch says so in its own words
            if not is_shortage(error):
                raise
            first = str(error).split("\n")[0]
            self.problems[place] = explain_surroundings(path, MemoryError(first)) or first


def _identify(found: Input, applied: AppliedModel) -> str:
    """Return a hash of all that decides the labels of an input: files, settings, model, code and libraries."""
    stamps = [stamp(path.resolve()) for path in found.list_parts()]
    return fingerprint([stamps, applied.settings, applied.checkpoints, code_stamp(), versions()])


def _check_input(found: Input, item: Item, applied: AppliedModel) -> None:
    """Refuse an image where the model sees volumes, and a volume of other channels than the model was trained on.

    A grey image stands for a coloured one, but one sequence of a patient for no other.
    """
    predictor, path = applied.predictor, found.paths[0]
    if not found.is_volume and (predictor.model.dimensions == 3 or predictor.neighbours):
        raise InputError(f"{path}: is a single image; the model sees neighbouring slices too: give the volume")
    wanted = image_channels(predictor)
    if found.is_volume and item.channels is not None and item.channels != wanted:
        files = ", ".join(path.name for path in found.paths)
        raise InputError(f"{path}: has {item.channels} channels ({files}), the model was trained on {wanted}")
