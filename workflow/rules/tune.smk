# Studies: one training job a trial, and their comparison.
rule tune_model:
    input:
        data=lambda wildcards: path_of(thing(wildcards).parents[0]),
        split=split_of,
        earlier=lambda wildcards: [
            f"{R}/{path}" for path in thing(wildcards).earlier(wildcards.trial)
        ],
        files=files_of,
        code=code_of("tune_model"),
    output:
        trial=f"{R}/studies/{{trials}}/{{trial}}/trial.json",
    log:
        f"{R}/logs/tune_model/{{trials}}/{{trial}}.log",
    benchmark:
        f"{R}/benchmarks/tune_model/{{trials}}/{{trial}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=model_resource("runtime"),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        nodes=node_count,
        tasks=task_count,
        gpu=gpus("gpu", every=True),
        gres=gpus("gres", every=True),
    params:
        job=lambda wildcards: thing(wildcards).study.job(wildcards.trial),
        identity=lambda wildcards: {
            "dataset": thing(wildcards).split.stack.name,
            "study": thing(wildcards).name,
            "trial": wildcards.trial,
        },
    script:
        "../scripts/tune_model.py"


rule compare_trials:
    input:
        trials=lambda wildcards: [f"{R}/{path}" for path in thing(wildcards).files()],
        code=code_of("compare_trials"),
    output:
        table=f"{R}/studies/{{search}}/study.csv",
        best=f"{R}/studies/{{search}}/best.yaml",
    log:
        f"{R}/logs/compare_trials/{{search}}.log",
    benchmark:
        f"{R}/benchmarks/compare_trials/{{search}}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        model=lambda wildcards: thing(wildcards).trials.study.model.model_dump(
            mode="json"
        ),
    script:
        "../scripts/compare_trials.py"
