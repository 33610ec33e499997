# One training job a model and replicate.
include: "../functions/train.smk"


rule train_model:
    input:
        unpack(started_from),
        patches=patches_of,
        split=split_of,
        files=files_of,
        code=code_of("train_model"),
    output:
        checkpoint=f"{R}/runs/{{run}}/{{replicate}}/checkpoint.pt",
        history=f"{R}/runs/{{run}}/{{replicate}}/history.csv",
        training=f"{R}/runs/{{run}}/{{replicate}}/training.json",
    log:
        f"{R}/logs/train_model/{{run}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/train_model/{{run}}/{{replicate}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=training_minutes,
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        nodes=node_count,
        tasks=task_count,
        gpu=gpus("gpu", every=True),
        gres=gpus("gres", every=True),
        checkpoint_minutes=lambda wildcards: thing(
            wildcards
        ).model.resources.checkpoint_minutes,
    params:
        recipe=lambda wildcards: thing(wildcards).model.recipe().content(),
    script:
        "../scripts/train_model.py"
