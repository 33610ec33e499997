# One training job a model and replicate.


def model_code(wildcards):
    """Name the modules of the plugins that a model's training uses."""
    recipe = EXPERIMENT.models[wildcards.model].recipe()
    lists = {"losses": recipe["loss"], "augmentation": recipe["augmentation"], "weighting": recipe["weighting"]}
    return code(
        "scan2seg.training.train",
        plugin("architectures", recipe["architecture"]),
        *(plugin(kind, settings) for kind, several in lists.items() for settings in several),
    )


def architecture_code(wildcards, *modules):
    return code(*modules, plugin("architectures", EXPERIMENT.models[wildcards.model].architecture))


def recipe_threads(wildcards):
    return EXPERIMENT.models[wildcards.model].resources.threads


def member_replicates(wildcards):
    """Return each ensemble member's replicate: its own of that name, or the only one of the fold."""
    names = [EXPERIMENT.replicates(member) for member in EXPERIMENT.settings.ensembles[wildcards.model]]
    fold = wildcards.replicate.rpartition("-")[0]
    return [
        wildcards.replicate if wildcards.replicate in own else next(name for name in own if name.startswith(fold))
        for own in names
    ]


def model_resource(key):
    """Ask for what a model's file says, and more each time a job is tried again."""
    return lambda wildcards, attempt: round(getattr(EXPERIMENT.models[wildcards.model].resources, key) * 1.6 ** (attempt - 1))


rule train_model:
    input:
        patches=lambda wildcards: (
            f"{R}/{wildcards.dataset}/patches/{EXPERIMENT.models[wildcards.model].patching.folder()}.zarr"
        ),
        split=rules.split_stack.output.split,
        code=model_code,
    output:
        checkpoint=f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/checkpoint.pt",
        history=f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/history.csv",
        training=f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/training.json",
    log:
        f"{R}/logs/train_model/{{dataset}}/{{model}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/train_model/{{dataset}}/{{model}}/{{replicate}}.tsv"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=model_resource("runtime"),
        slurm_partition=model_partition,
        slurm_account=account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        recipe=lambda wildcards: EXPERIMENT.models[wildcards.model].recipe(),
    script:
        "../scripts/train_model.py"
