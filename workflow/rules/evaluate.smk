# Predictions to scores, scores to a comparison, and the comparison to people.
include: "../functions/evaluate.smk"


rule score_prediction:
    input:
        stack=rules.assemble_stack.output.stack,
        prediction=f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/prediction.zarr",
        code=code("scan2seg.evaluation.score"),
    output:
        metrics=f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/metrics.json",
        per_image=f"{R}/{{dataset}}/runs/{{model}}/{{replicate}}/per_image.csv",
    log:
        f"{R}/logs/score_prediction/{{dataset}}/{{model}}/{{replicate}}.log",
    benchmark:
        f"{R}/benchmarks/score_prediction/{{dataset}}/{{model}}/{{replicate}}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
        slurm_partition=partition,
        slurm_account=account,
    script:
        "../scripts/score_prediction.py"


rule compare_models:
    input:
        metrics=run_files("metrics.json"),
        per_image=run_files("per_image.csv"),
        training=trained_files("training.json"),
        timing=trained_files("timing.json"),
        code=code("scan2seg.evaluation.comparison"),
    output:
        scores=f"{REPORT}/scores.csv",
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
        slurm_partition=partition,
        slurm_account=account,
    params:
        reference=reference_model(),
        published=published_rows(),
    script:
        "../scripts/compare_models.py"


rule render_report:
    input:
        scores=rules.compare_models.output.scores if EXPERIMENT.models else [],
        tables=rules.compare_models.output.tables if EXPERIMENT.models else [],
        stacks=dataset_files("stack.zarr"),
        splits=(
            dataset_files("split.json")
            if EXPERIMENT.models or EXPERIMENT.studies
            else []
        ),
        predictions=run_files("prediction.zarr"),
        histories=trained_files("history.csv"),
        volumes=volumes(),
        segmentations=segmentation_files(),
        saliency=saliency_maps(),
        studies=study_files("study.csv"),
        code=code("scan2seg.reporting.html"),
        templates=template_files(),
    output:
        report=report(
            f"{REPORT}/index.html",
            caption="../report/benchmark.rst",
            category="Benchmark",
        ),
        figures=directory(f"{REPORT}/figures"),
    log:
        f"{R}/logs/render_report/{EXPERIMENT.settings.experiment}.log",
    benchmark:
        f"{R}/benchmarks/render_report/{EXPERIMENT.settings.experiment}.tsv"
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
        slurm_partition=partition,
        slurm_account=account,
    params:
        experiment=EXPERIMENT.summary(),
    script:
        "../scripts/render_report.py"


rule log_to_mlflow:
    input:
        metrics=run_files("metrics.json"),
        training=trained_files("training.json"),
        timing=trained_files("timing.json"),
        histories=trained_files("history.csv"),
        tables=rules.compare_models.output.tables,
        report=rules.render_report.output.report,
        figures=rules.render_report.output.figures,
        code=code("scan2seg.reporting.tracking"),
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
        slurm_partition=partition,
        slurm_account=account,
    params:
        experiment=EXPERIMENT.settings.experiment,
        # with a password in it the address would stay in Snakemake's records
        server=tracking_server(),
        runs=EXPERIMENT.summary()["runs"],
    script:
        "../scripts/log_to_mlflow.py"
