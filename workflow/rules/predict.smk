# Trained models applied: to the test images, to the clock, to the input's gradient, to new scans.
include: "../functions/predict.smk"


rule predict_stack:
    input:
        stack=rules.assemble_stack.output.stack,
        split=rules.split_stack.output.split,
        checkpoint=rules.train_model.output.checkpoint,
        code=lambda wildcards: architecture_code(
            wildcards, "scan2seg.inference.prediction"
        ),
    output:
        prediction=directory(
            f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/prediction.zarr"
        ),
    log:
        f"{R}/logs/predict_stack/{{dataset}}/{{model}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/predict_stack/{{dataset}}/{{model}}/{{replicate}}.tsv"
    wildcard_constraints:
        model=alternatives(EXPERIMENT.models),
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(120),
        slurm_partition=model_partition,
        slurm_account=account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        inference=inference_settings,
    script:
        "../scripts/predict_stack.py"


rule ensemble_predictions:
    input:
        members=lambda wildcards: expand(
            f"{R}/{wildcards.dataset}/runs/{{member}}/{{replicate}}/prediction.zarr",
            zip,
            member=EXPERIMENT.settings.ensembles[wildcards.model],
            replicate=member_replicates(wildcards),
        ),
        code=code("scan2seg.inference.ensembling"),
    output:
        prediction=directory(
            f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/prediction.zarr"
        ),
    log:
        f"{R}/logs/ensemble_predictions/{{dataset}}/{{model}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/ensemble_predictions/{{dataset}}/{{model}}/{{replicate}}.tsv"
    wildcard_constraints:
        model=alternatives(EXPERIMENT.settings.ensembles),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
        slurm_partition=partition,
        slurm_account=account,
    script:
        "../scripts/ensemble_predictions.py"


rule time_inference:
    input:
        stack=rules.assemble_stack.output.stack,
        split=rules.split_stack.output.split,
        checkpoint=rules.train_model.output.checkpoint,
        code=lambda wildcards: architecture_code(wildcards, "scan2seg.inference.timing"),
    output:
        timing=f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/timing.json",
    log:
        f"{R}/logs/time_inference/{{dataset}}/{{model}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/time_inference/{{dataset}}/{{model}}/{{replicate}}.tsv"
    conda:
        "../../envs/train.yaml"
    # alone on the machine where it can be, for two timings at once measure each other
    threads:
        lambda wildcards: (
            workflow.cores
            if workflow.is_main_process and workflow.local_exec
            else recipe_threads(wildcards)
        )
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(60),
        # what the model may use; the threads above only keep others away
        model_threads=recipe_threads,
        slurm_partition=model_partition,
        slurm_account=account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        inference=lambda wildcards: EXPERIMENT.models[
            wildcards.model
        ].inference.model_dump(mode="json"),
    script:
        "../scripts/time_inference.py"


rule map_saliency:
    input:
        stack=rules.assemble_stack.output.stack,
        split=rules.split_stack.output.split,
        checkpoint=rules.train_model.output.checkpoint,
        code=lambda wildcards: architecture_code(
            wildcards, "scan2seg.inference.saliency"
        ),
    output:
        saliency=directory(
            f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/saliency.zarr"
        ),
    log:
        f"{R}/logs/map_saliency/{{dataset}}/{{model}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/map_saliency/{{dataset}}/{{model}}/{{replicate}}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(30),
        slurm_partition=model_partition,
        slurm_account=account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    script:
        "../scripts/map_saliency.py"


rule segment_scan:
    input:
        volume=new_volume,
        stack=lambda wildcards: f"{R}/{EXPERIMENT.trained_on()}/stack.zarr",
        scores=f"{REPORT}/scores.csv",
        checkpoints=checkpoints,
        code=code("scan2seg.inference.segmentation"),
    output:
        labels=directory(f"{R}/segmentations/{{scan}}/labels.zarr"),
        summary=f"{R}/segmentations/{{scan}}/summary.json",
        tiff=(
            [f"{R}/segmentations/{{scan}}/labels.tif"]
            if EXPERIMENT.settings.segment and EXPERIMENT.settings.segment.tiff
            else []
        ),
    log:
        f"{R}/logs/segment_scan/{{scan}}.log",
    benchmark:
        f"{R}/benchmarks/segment_scan/{{scan}}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 8
    resources:
        mem_mb=memory(8000),
        runtime=minutes(240),
        slurm_partition=model_partition,
        slurm_account=account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        dataset=lambda wildcards: EXPERIMENT.trained_on(),
        differences=processing_differences,
        model=lambda wildcards: EXPERIMENT.settings.segment.model,
        inference={
            name: model.inference.model_dump(mode="json")
            for name, model in EXPERIMENT.models.items()
        },
    script:
        "../scripts/segment_scan.py"
