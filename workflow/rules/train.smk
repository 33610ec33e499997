# One training job a model and replicate.
include: "../functions/train.smk"


rule train_model:
    input:
        unpack(pretrained_encoder),
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
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=model_resource("runtime"),
        slurm_partition=model_partition,
        slurm_account=account,
        nodes=1,
        gpu=gpus("gpu", every=True),
        gres=gpus("gres", every=True),
    params:
        recipe=lambda wildcards: EXPERIMENT.models[wildcards.model].recipe(),
    script:
        "../scripts/train_model.py"
