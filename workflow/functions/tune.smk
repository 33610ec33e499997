# What the rules of rules/tune.smk ask for.
def trial_data(wildcards):
    """Return the patches that all trials share, or the stack where each trial cuts its own."""
    study = EXPERIMENT.studies[wildcards.study]
    if study.own_patches:
        return f"{R}/{wildcards.dataset}/stack.zarr"
    return f"{R}/{wildcards.dataset}/patches/{study.model.patching.folder()}.zarr"


def trial_files(wildcards, names):
    return [
        f"{R}/{wildcards.dataset}/studies/{wildcards.study}/{name}/trial.json"
        for name in names
    ]


def trial_code(wildcards):
    """List the source of training and of every plugin that a trial may be given."""
    variants = EXPERIMENT.studies[wildcards.study].variants
    plugins = {name for model in variants for name in recipe_plugins(model)}
    return code("scan2seg.tuning.trial", *sorted(plugins))
