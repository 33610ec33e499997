# Trained models applied: to the test images, to the clock, to the input's gradient, to new scans.
include: "../functions/predict.smk"


from scan2seg.catalogue import Ensemble


rule plan_inference:
    input:
        stack=stack_of,
        split=split_of,
        checkpoint=checkpoint_of,
        code=architecture_code("plan_inference"),
    output:
        plan=f"{R}/runs/{{run}}/{{applied}}/plan.json",
    log:
        f"{R}/logs/plan_inference/{{run}}/{{applied}}.log",
    benchmark:
        f"{R}/benchmarks/plan_inference/{{run}}/{{applied}}.tsv"
    group:
        APPLICATION
    conda:
        "../../envs/train.yaml"
    # alone on the machine where it can be, for two measurements at once measure each other
    threads: lambda wildcards: (workflow.cores if runs_here() else recipe_threads(wildcards))
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(120),
        # what the model may use; the threads above only keep others away
        model_threads=recipe_threads,
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        inference=lambda wildcards: inference_of(wildcards),
    script:
        "../scripts/plan_inference.py"


rule predict_stack:
    input:
        stack=stack_of,
        split=split_of,
        checkpoint=checkpoint_of,
        plan=plan_of,
        code=architecture_code("predict_stack"),
    output:
        prediction=directory(f"{R}/runs/{{run}}/{{applied}}/prediction.zarr"),
    log:
        f"{R}/logs/predict_stack/{{run}}/{{applied}}.log",
    benchmark:
        f"{R}/benchmarks/predict_stack/{{run}}/{{applied}}.tsv"
    wildcard_constraints:
        run=alternatives(CATALOGUE.all_of(Training)),
    group:
        APPLICATION
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(120),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        inference=lambda wildcards: inference_of(wildcards),
    script:
        "../scripts/predict_stack.py"


rule score_parts:
    input:
        stack=stack_of,
        split=split_of,
        checkpoint=checkpoint_of,
        # of one submission, one after the other
        timed=ancient(f"{R}/runs/{{run}}/{{applied}}/timing.json"),
        plan=plan_of,
        code=architecture_code("score_parts"),
    output:
        scores=f"{R}/runs/{{run}}/{{applied}}/{{parts}}.json",
    log:
        f"{R}/logs/score_parts/{{run}}/{{applied}}/{{parts}}.log",
    benchmark:
        f"{R}/benchmarks/score_parts/{{run}}/{{applied}}/{{parts}}.tsv"
    group:
        APPLICATION
    conda:
        "../../envs/train.yaml"
    threads: recipe_threads
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(120),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        inference=lambda wildcards: inference_of(wildcards),
        most=EXPERIMENT.settings.score_parts,
    script:
        "../scripts/score_parts.py"


rule ensemble_predictions:
    input:
        members=lambda wildcards: [
            f"{R}/{path}"
            for path in CATALOGUE.member_predictions(
                thing(wildcards), wildcards.applied
            )
        ],
        code=code_of("ensemble_predictions"),
    output:
        prediction=directory(f"{R}/runs/{{run}}/{{applied}}/prediction.zarr"),
    log:
        f"{R}/logs/ensemble_predictions/{{run}}/{{applied}}.log",
    benchmark:
        f"{R}/benchmarks/ensemble_predictions/{{run}}/{{applied}}.tsv"
    wildcard_constraints:
        run=alternatives(CATALOGUE.all_of(Ensemble)),
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    script:
        "../scripts/ensemble_predictions.py"


rule time_inference:
    input:
        stack=stack_of,
        split=split_of,
        checkpoint=checkpoint_of,
        # of one submission, and not while the scores are made beside it
        scored=ancient(f"{R}/runs/{{run}}/{{applied}}/metrics.json"),
        plan=plan_of,
        code=architecture_code("time_inference"),
    output:
        timing=f"{R}/runs/{{run}}/{{applied}}/timing.json",
    log:
        f"{R}/logs/time_inference/{{run}}/{{applied}}.log",
    benchmark:
        f"{R}/benchmarks/time_inference/{{run}}/{{applied}}.tsv"
    group:
        APPLICATION
    conda:
        "../../envs/train.yaml"
    # alone on the machine where it can be, for two timings at once measure each other
    threads: lambda wildcards: (workflow.cores if runs_here() else recipe_threads(wildcards))
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(60),
        # what the model may use; the threads above only keep others away
        model_threads=recipe_threads,
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        inference=lambda wildcards: inference_of(wildcards),
    script:
        "../scripts/time_inference.py"


rule map_saliency:
    input:
        stack=stack_of,
        split=split_of,
        checkpoint=checkpoint_of,
        code=architecture_code("map_saliency"),
    output:
        saliency=directory(f"{R}/runs/{{run}}/{{replicate}}/saliency.zarr"),
    log:
        f"{R}/logs/map_saliency/{{run}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/map_saliency/{{run}}/{{replicate}}.tsv"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=model_resource("mem_mb"),
        runtime=minutes(30),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    script:
        "../scripts/map_saliency.py"


rule segment_scan:
    input:
        volume=lambda wildcards: path_of(thing(wildcards).volume),
        runs=candidate_files,
        code=code_of("segment_scan"),
    output:
        labels=directory(f"{R}/segmentations/{{segmentation}}/labels.zarr"),
        summary=f"{R}/segmentations/{{segmentation}}/summary.json",
        tiff=(
            [f"{R}/segmentations/{{segmentation}}/labels.tif"]
            if EXPERIMENT.settings.segment and EXPERIMENT.settings.segment.tiff
            else []
        ),
    log:
        f"{R}/logs/segment_scan/{{segmentation}}.log",
    benchmark:
        f"{R}/benchmarks/segment_scan/{{segmentation}}.tsv"
    wildcard_constraints:
        segmentation=alternatives(CATALOGUE.all_of(Segmentation)),
    conda:
        "../../envs/train.yaml"
    threads: 8
    resources:
        mem_mb=memory(8000),
        runtime=minutes(240),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        differences=lambda wildcards: CATALOGUE.processing_differences(thing(wildcards)),
        runs=lambda wildcards: thing(wildcards).runs(),
        members=lambda wildcards: list(thing(wildcards).members),
        inference=lambda wildcards: thing(wildcards).inference,
    script:
        "../scripts/segment_scan.py"


rule segment_files:
    input:
        files=files_of,
        runs=candidate_files,
        code=code_of("segment_files"),
    output:
        labels=directory(f"{R}/segmentations/{{segmentation}}/labels"),
        summary=f"{R}/segmentations/{{segmentation}}/summary.json",
    log:
        f"{R}/logs/segment_files/{{segmentation}}.log",
    benchmark:
        f"{R}/benchmarks/segment_files/{{segmentation}}.tsv"
    wildcard_constraints:
        segmentation=alternatives(CATALOGUE.all_of(FileSegmentation)),
    conda:
        "../../envs/train.yaml"
    threads: 8
    resources:
        mem_mb=memory(8000),
        runtime=minutes(240),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        source=lambda wildcards: thing(wildcards).content["source"],
        pixel_size=lambda wildcards: thing(wildcards).dataset.pixel_size,
        listing=listing_of,
        runs=lambda wildcards: thing(wildcards).runs(),
        members=lambda wildcards: list(thing(wildcards).members),
        inference=lambda wildcards: thing(wildcards).inference,
    script:
        "../scripts/segment_files.py"
