# What the rules of rules/pretrain.smk ask for.
def pretrained_models(wildcards):
    """List the models that start from a pre-trained encoder; they are alike in all that it depends on."""
    return [
        model
        for model in EXPERIMENT.models.values()
        if model.pretraining and model.pretraining_folder() == wildcards.encoder
    ]


def pretraining_recipe(wildcards):
    return pretrained_models(wildcards)[0].pretraining_recipe()


def pretraining_patches(wildcards):
    patching = pretrained_models(wildcards)[0].patching.folder()
    return f"{R}/{wildcards.dataset}/patches/{patching}.zarr"


def pretraining_code(wildcards):
    """Name the modules of the pre-training and of the augmentations that it uses."""
    augmentation = pretraining_recipe(wildcards)["augmentation"]
    return code(
        "scan2seg.training.pretraining",
        *(plugin("augmentation", settings) for settings in augmentation),
    )


def pretrained_encoder(wildcards):
    """Name the encoder that a model starts from, and the stack whose test images it must not know; mostly nothing."""
    model = EXPERIMENT.models[wildcards.model]
    if model.pretraining is None:
        return {}
    dataset = model.pretraining.dataset or wildcards.dataset
    return {
        "encoder": f"{R}/{dataset}/encoders/{model.pretraining_folder()}/encoder.safetensors",
        "stack": f"{R}/{wildcards.dataset}/stack.zarr",
    }
