# Studies: one training job a trial, and their comparison.
include: "../functions/tune.smk"


rule tune_model:
    input:
        data=trial_data,
        split=rules.split_stack.output.split,
        earlier=lambda wildcards: trial_files(
            wildcards, EXPERIMENT.studies[wildcards.study].earlier(wildcards.trial)
        ),
        code=trial_code,
    output:
        trial=f"{R}/{{dataset}}/studies/{{study}}/{{trial}}/trial.json",
    log:
        f"{R}/logs/tune_model/{{dataset}}/{{study}}/{{trial}}.log",
    benchmark:
        f"{R}/benchmarks/tune_model/{{dataset}}/{{study}}/{{trial}}.tsv"
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
        job=lambda wildcards: EXPERIMENT.studies[wildcards.study].job(wildcards.trial),
    script:
        "../scripts/tune_model.py"


rule compare_trials:
    input:
        trials=lambda wildcards: trial_files(
            wildcards, EXPERIMENT.studies[wildcards.study].trials()
        ),
        code=code("scan2seg.tuning.comparison"),
    output:
        table=f"{R}/{{dataset}}/studies/{{study}}/study.csv",
        best=f"{R}/{{dataset}}/studies/{{study}}/best.yaml",
    log:
        f"{R}/logs/compare_trials/{{dataset}}/{{study}}.log",
    benchmark:
        f"{R}/benchmarks/compare_trials/{{dataset}}/{{study}}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
        slurm_partition=partition,
        slurm_account=account,
    params:
        model=lambda wildcards: EXPERIMENT.studies[wildcards.study].model.model_dump(
            mode="json"
        ),
    script:
        "../scripts/compare_trials.py"
