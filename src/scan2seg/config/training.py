"""How a model is trained and applied."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from scan2seg.config.base import Chosen, Plugin, Settings

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "float32", "bfloat16", "float16"]


class NormalisationSettings(Settings):
    """How grey values become the network's input; statistics come from the training images alone."""

    method: Literal["standardise", "scale", "range", "imagenet", "none"] = "standardise"
    """standardise: minus mean, by standard deviation; scale: divided by ``divisor``; range: percentiles to 0..1;
    imagenet: to 0..1 and then by the mean and deviation that the encoder was trained with, for pre-trained encoders,
    above all frozen ones."""
    divisor: float | None = Field(default=None, gt=0)
    """With ``scale``: the number that becomes 1, 255 when not given. With ``imagenet``, when not given: 255 or 65535
    for whole numbers, 1 for numbers from 0 to 1, else the least and greatest of the training patches become 0 and 1."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """With ``range``: the percentiles that become 0 and 1."""
    per_image: bool = False
    """With ``standardise``: mean and deviation of each whole image by itself, of networks on volumes those of each
    whole volume, instead of the training set's."""
    channels: int | None = Field(default=None, ge=1)
    """Channels of the input; a grey image is repeated to fill them."""

    @model_validator(mode="after")
    def _check_method(self) -> Self:
        if self.per_image and self.method != "standardise":
            raise ValueError(f"per_image: goes with method: standardise, not {self.method}; remove one of them")
        return self


class OptimizerSettings(Settings):
    """The optimizer."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    """Its algorithm."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """The learning rate; with one-cycle its peak."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Adam's epsilon; larger ones stop late spikes of the loss."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of SGD."""


class ScheduleSettings(Settings):
    """How the learning rate changes."""

    name: Literal["constant", "cosine", "plateau", "one_cycle", "polynomial"] = "cosine"
    """The curve."""
    warmup_epochs: float = Field(default=0.0, ge=0)
    """Epochs of linear rise from zero."""
    factor: float = Field(default=0.1, gt=0, lt=1)
    """With plateau: the rate is multiplied by this."""
    patience: int = Field(default=5, ge=0)
    """With plateau: epochs without a better validation loss."""
    minimum: float = Field(default=0.0, ge=0)
    """The lowest learning rate."""
    power: float = Field(default=0.9, gt=0)
    """With polynomial: the exponent."""

    @model_validator(mode="after")
    def _check_warmup(self) -> Self:
        if self.name == "plateau" and self.warmup_epochs:
            raise ValueError(f"warmup_epochs: {self.warmup_epochs} has no meaning with plateau; remove it")
        return self


class TrainingSettings(Settings):
    """The training loop."""

    epochs: int = Field(default=20, ge=1)
    """Passes over the training patches."""
    batch_size: int = Field(default=16, ge=1)
    """Patches a step."""
    samples_per_epoch: int | None = Field(default=None, ge=1)
    """Patches an epoch, drawn anew each time; all of them when not given."""
    validation_patches: int | None = Field(default=None, ge=1)
    """The most validation patches an epoch, evenly spread over the images, the same ones each time; null: all."""
    precision: Precision = "auto"
    """auto: bfloat16 where the processor or GPU computes with it, after a comparison with float32 on one batch; where
    they differ by more than rounding explains, and where there is no bfloat16, float32 (GPUs without it: float16)."""
    device: Device = "auto"
    """Where to train."""
    devices: int = Field(default=1, ge=1)
    """Processes that share each batch, one a GPU; on the CPU they share the cores. batch_size is the total of all
    devices."""
    nodes: int = Field(default=1, ge=1)
    """Nodes of a Slurm job that the devices are on, as many on each."""
    early_stopping: int | None = Field(default=None, ge=1)
    """Stop after this many epochs without a better monitored value."""
    monitor: Literal["validation_loss", "validation_mean_iou"] = "validation_mean_iou"
    """What decides which epoch is best."""
    gradient_clipping: float | None = Field(default=None, gt=0)
    """Largest norm of the gradient."""
    accumulate: int = Field(default=1, ge=1)
    """Steps whose gradients are averaged before the weights change."""
    average: Literal["none", "ema", "swa"] = "none"
    """Averaging of weights: exponential, or the mean over the last quarter of the epochs."""
    ema_decay: float = Field(default=0.99, gt=0, lt=1)
    """Decay of the exponential average a step."""
    class_weights: list[float] | Literal["none", "inverse_frequency"] = "none"
    """Weight of each class in the losses: given, or inverse to its share of the training pixels."""
    sampling: Literal["uniform", "class_balanced"] = "uniform"
    """class_balanced: patches with rare classes are drawn more often."""
    time_budget_minutes: float | None = Field(default=None, gt=0)
    """End cleanly with the best weights so far, before the epoch that would exceed this time."""
    compile: bool = False
    """Use torch.compile."""
    deterministic: bool = True
    """Ask every library for deterministic algorithms."""

    @model_validator(mode="after")
    def _check_class_weights(self) -> Self:
        if isinstance(self.class_weights, list):
            finite = all(0 <= weight < math.inf for weight in self.class_weights)
            if not finite or not sum(self.class_weights) > 0:
                raise ValueError(f"class_weights: {self.class_weights} must be finite, none below 0, one above it")
        return self

    @model_validator(mode="after")
    def _check_devices(self) -> Self:
        if self.batch_size % self.devices:
            nearest = -(-self.batch_size // self.devices) * self.devices
            message = f"batch_size: {self.batch_size} is the total of all devices and not a multiple of devices: "
            raise ValueError(f"{message}{self.devices}; set batch_size to {nearest}")
        if self.devices % self.nodes:
            nearest = -(-self.devices // self.nodes) * self.nodes
            message = f"devices: {self.devices} is the total of all nodes and not a multiple of nodes: {self.nodes}"
            raise ValueError(f"{message}; set devices to {nearest}")
        return self


PlannedKey = Literal["tile", "overlap", "precision", "channels_last", "batch_size", "runtime"]


class PlanSettings(Settings):
    """How the fastest way to apply a trained model is looked for, on validation images."""

    tolerance: float = Field(default=0.001, ge=0, le=1)
    """The mean IoU that speed may cost, below the best of all that was tried."""
    images: int = Field(default=8, ge=1)
    """Validation images at most, drawn once by a fixed seed."""
    keys: tuple[PlannedKey, ...] | None = None
    """What is planned; when not given, those of ``tile``, ``overlap``, ``precision``, ``channels_last``,
    ``batch_size`` and ``runtime`` that are not set beside it."""


class InferenceSettings(Settings):
    """How a trained model is applied to whole images."""

    plan: PlanSettings | None = None
    """Measure once a trained model what is fastest, and apply it so; ``plan: {}`` does, with the defaults. Null: as the
    keys below say."""
    tile: tuple[int, int] | int | None = None
    """Tile size; the patch size when not given. Tiles are cut to fit the image: shorter where that covers it too, and
    up to a quarter longer where fewer of them compute fewer pixels."""
    overlap: float = Field(default=0.25, ge=0, le=0.9)
    """The least share of a tile that overlaps its neighbour; overlaps are blended."""
    batch_size: int = Field(default=16, ge=1)
    """Tiles a batch."""
    blend: Literal["gaussian", "constant"] = "gaussian"
    """Weights of a tile's pixels where tiles overlap."""
    flips: bool = False
    """Average over the four mirrored versions of each tile."""
    precision: Precision | None = None
    """null: float32 for a model that was trained in float32, else auto; the others as in ``training``."""
    probabilities: bool = False
    """Keep the probabilities beside the labels, a byte each."""
    channels_last: bool = True
    """The order in memory that convolutions are mostly fastest in: channels beside each other."""
    runtime: Literal["torch", "openvino"] = "torch"
    """openvino: on processors, Intel's OpenVINO computes the network, mostly faster, after a comparison with torch on
    the first tiles; it converts the network for each size of tile, which takes seconds. GPUs are always torch's."""

    @model_validator(mode="before")
    @classmethod
    def _plan_what_is_not_set(cls, content: Any) -> Any:
        """Say what is planned, so that it is known too where settings come as a whole, with their defaults."""
        if not isinstance(content, dict) or content.get("plan") is None:
            return content
        plan = PlanSettings.model_validate(content["plan"])
        if plan.keys is None:
            free = tuple(key for key in get_args(PlannedKey) if key not in content)
            plan = plan.model_copy(update={"keys": free})
        return {**content, "plan": plan}

    @model_validator(mode="after")
    def _check_plan(self) -> Self:
        if self.plan is None:
            return self
        if not self.plan.keys:
            raise ValueError("plan: every key is set by hand, so that nothing is left to plan; remove plan, or a key")
        for key in self.plan.keys:
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(f"plan.keys: {key} is set beside it; remove one of them")
        return self

    def as_planned(self, values: Mapping[str, Any]) -> "InferenceSettings":
        """Return the settings with the values of a plan instead of the wish for one.

        Raises:
            ValidationError: a value cannot be one of its key.
        """
        return InferenceSettings.model_validate({**self.model_dump(mode="json"), "plan": None, **values})


class ResourceSettings(Settings):
    """What a training job asks of the cluster; the site's facts stand in the profile."""

    mem_mb: int = Field(default=8000, ge=500)
    """Memory in megabytes; tried again with more after a kill."""
    runtime: int = Field(default=240, ge=1)
    """Minutes; tried again with more after a kill."""
    gpus: int = Field(default=1, ge=0)
    """GPUs; 0 keeps the job on the CPU partition."""
    threads: int = Field(default=2, ge=1)
    """Processor cores."""
    checkpoint_minutes: int = Field(default=10, ge=1)
    """Minutes of work within an epoch that a kill may cost: how often training keeps its state. On the signal that
    Slurm sends before it takes the node away, training keeps it at once."""


Augmentations = list[Annotated[Chosen, Plugin("augmentation")]]
Losses = list[Annotated[Chosen, Plugin("losses")]]
Weightings = list[Annotated[Chosen, Plugin("weighting")]]
Architecture = Annotated[Chosen, Plugin("architectures")]
