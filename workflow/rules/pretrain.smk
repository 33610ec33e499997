# One pre-training of an encoder, for all models and replicates that start from it.
rule pretrain_encoder:
    input:
        stack=stack_of,
        split=split_of,
        patches=patches_of,
        files=files_of,
        code=code_of("pretrain_encoder"),
    output:
        encoder=f"{R}/encoders/{{encoder}}/encoder.safetensors",
        history=f"{R}/encoders/{{encoder}}/history.csv",
        pretraining=f"{R}/encoders/{{encoder}}/pretraining.json",
    log:
        f"{R}/logs/pretrain_encoder/{{encoder}}.log",
    benchmark:
        f"{R}/benchmarks/pretrain_encoder/{{encoder}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=model_resource("runtime"),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        recipe=lambda wildcards: thing(wildcards).recipe.content(),
        dataset=lambda wildcards: thing(wildcards).patches.split.stack.name,
    script:
        "../scripts/pretrain_encoder.py"
