# What the rules of rules/train.smk ask for.
def model_code(wildcards):
    """Name the modules of the plugins that a model's training uses."""
    return code(
        "scan2seg.training.train", *recipe_plugins(EXPERIMENT.models[wildcards.model])
    )


def recipe_plugins(model):
    lists = {
        "losses": model.loss,
        "augmentation": model.augmentation,
        "weighting": model.weighting,
    }
    return [
        plugin("architectures", model.architecture),
        *(
            plugin(kind, settings)
            for kind, several in lists.items()
            for settings in several
        ),
    ]


def architecture_code(wildcards, *modules):
    return code(
        *modules,
        plugin("architectures", EXPERIMENT.models[wildcards.model].architecture),
    )


def member_replicates(wildcards):
    """Return each ensemble member's replicate: its own of that name, or the only one of the fold."""
    names = [
        EXPERIMENT.replicates(member)
        for member in EXPERIMENT.settings.ensembles[wildcards.model]
    ]
    fold = wildcards.replicate.rpartition("-")[0]
    return [
        (
            wildcards.replicate
            if wildcards.replicate in own
            else next(name for name in own if name.startswith(fold))
        )
        for own in names
    ]
