# One pre-training of an encoder, for all models and replicates that start from it.
include: "../functions/pretrain.smk"


rule pretrain_encoder:
    input:
        stack=rules.assemble_stack.output.stack,
        split=rules.split_stack.output.split,
        patches=pretraining_patches,
        code=pretraining_code,
    output:
        encoder=f"{R}/{{dataset}}/encoders/{{encoder}}/encoder.safetensors",
        history=f"{R}/{{dataset}}/encoders/{{encoder}}/history.csv",
        pretraining=f"{R}/{{dataset}}/encoders/{{encoder}}/pretraining.json",
    log:
        f"{R}/logs/pretrain_encoder/{{dataset}}/{{encoder}}.log",
    benchmark:
        f"{R}/benchmarks/pretrain_encoder/{{dataset}}/{{encoder}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=model_resource("runtime"),
        slurm_partition=model_partition,
        slurm_account=account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        recipe=pretraining_recipe,
    script:
        "../scripts/pretrain_encoder.py"
