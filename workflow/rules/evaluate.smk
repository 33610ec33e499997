# Predictions to scores, scores to a comparison, and the comparison to people.
include: "../functions/evaluate.smk"


rule score_prediction:
    input:
        stack=stack_of,
        prediction=f"{R}/runs/{{run}}/{{applied}}/prediction.zarr",
        code=code("score_prediction"),
    output:
        metrics=f"{R}/runs/{{run}}/{{applied}}/metrics.json",
        per_image=f"{R}/runs/{{run}}/{{applied}}/per_image.csv",
    log:
        f"{R}/logs/score_prediction/{{run}}/{{applied}}.log",
    benchmark:
        f"{R}/benchmarks/score_prediction/{{run}}/{{applied}}.tsv"
    group:
        APPLICATION
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
        slurm_partition=scoring_partition,
        slurm_account=CLUSTER.account,
    params:
        identity=lambda wildcards: {
            "dataset": thing(wildcards).dataset_name,
            "model": thing(wildcards).name,
            "replicate": wildcards.applied.split("/")[0],
        },
    script:
        "../scripts/score_prediction.py"


rule compare_models:
    input:
        metrics=later(run_files, "metrics.json"),
        per_image=later(run_files, "per_image.csv"),
        training=later(training_files, "training.json"),
        timing=later(run_files, "timing.json", trained=True),
        parts=later(part_scores),
        code=code("compare_models"),
    output:
        scores=report(
            f"{REPORT}/scores.csv",
            caption="../report/scores.rst",
            category="Tables",
        ),
        tables=f"{REPORT}/tables.md",
    log:
        f"{R}/logs/compare_models/{EXPERIMENT.settings.experiment}.log",
    benchmark:
        f"{R}/benchmarks/compare_models/{EXPERIMENT.settings.experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        runs=comparison("runs"),
        reference=comparison("reference"),
        published=comparison("published"),
        unions=comparison("unions"),
        parts=comparison("parts"),
        variants=comparison("variants"),
    script:
        "../scripts/compare_models.py"


rule render_report:
    input:
        scores=f"{REPORT}/scores.csv" if EXPERIMENT.models else [],
        tables=f"{REPORT}/tables.md" if EXPERIMENT.models else [],
        data=later(report_data),
        predictions=later(run_files, "prediction.zarr"),
        histories=later(training_files, "history.csv"),
        runs=later(run_result_files),
        segmentations=later(segmentation_files),
        saliency=later(saliency_maps),
        code=code("render_report"),
        templates=template_files(),
    output:
        report=report(
            f"{REPORT}/index.html",
            caption="../report/benchmark.rst",
            category="Benchmark",
        ),
        figures=report(
            directory(f"{REPORT}/figures"),
            patterns=["{figure}.png"],
            caption="../report/figures.rst",
            category="Figures",
        ),
        performance=(
            expand(f"{REPORT}/performance.{{suffix}}", suffix=["csv", "md", "tex"])
            if EXPERIMENT.models
            else []
        ),
        parts=(
            expand(f"{REPORT}/parts.{{suffix}}", suffix=["csv", "md", "tex"])
            if part_scores()
            else []
        ),
        things=f"{REPORT}/things.json",
    log:
        f"{R}/logs/render_report/{EXPERIMENT.settings.experiment}.log",
    benchmark:
        f"{R}/benchmarks/render_report/{EXPERIMENT.settings.experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        content=report_content,
    script:
        "../scripts/render_report.py"


rule link_runs:
    input:
        metrics=later(run_files, "metrics.json"),
        timing=later(run_files, "timing.json", trained=True),
        parts=later(part_scores),
        saliency=later(saliency_maps),
        code=code("link_runs"),
    output:
        links=directory(f"{REPORT}/runs"),
    log:
        f"{R}/logs/link_runs/{EXPERIMENT.settings.experiment}.log",
    benchmark:
        f"{R}/benchmarks/link_runs/{EXPERIMENT.settings.experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        runs=comparison("runs"),
    script:
        "../scripts/link_runs.py"


rule log_to_mlflow:
    input:
        metrics=later(run_files, "metrics.json"),
        training=later(training_files, "training.json"),
        timing=later(run_files, "timing.json", trained=True),
        parts=later(part_scores),
        per_image=later(run_files, "per_image.csv"),
        histories=later(training_files, "history.csv"),
        checkpoints=later(training_files, "checkpoint.pt"),
        predictions=later(run_files, "prediction.zarr"),
        data=later(report_data),
        scores=f"{REPORT}/scores.csv",
        tables=f"{REPORT}/tables.md",
        report=f"{REPORT}/index.html",
        figures=f"{REPORT}/figures",
        code=code("log_to_mlflow"),
    output:
        marker=f"{REPORT}/mlflow.json",
    log:
        f"{R}/logs/log_to_mlflow/{EXPERIMENT.settings.experiment}.log",
    benchmark:
        f"{R}/benchmarks/log_to_mlflow/{EXPERIMENT.settings.experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        # with a password in it the address would stay in Snakemake's records
        server=tracking_server(),
        content=report_content,
    script:
        "../scripts/log_to_mlflow.py"
