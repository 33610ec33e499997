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
    conda:
        "../../envs/report.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
        slurm_partition=partition,
        slurm_account=account,
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
        metrics=run_files("metrics.json"),
        per_image=run_files("per_image.csv"),
        training=training_files("training.json"),
        timing=run_files("timing.json", trained=True),
        parts=part_scores(),
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
        slurm_partition=partition,
        slurm_account=account,
    params:
        runs=CATALOGUE.comparison_content()["runs"],
        reference=CATALOGUE.comparison_content()["reference"],
        published=CATALOGUE.comparison_content()["published"],
        unions=CATALOGUE.comparison_content()["unions"],
        parts=CATALOGUE.comparison_content()["parts"],
        variants=CATALOGUE.comparison_content()["variants"],
    script:
        "../scripts/compare_models.py"


rule render_report:
    input:
        scores=rules.compare_models.output.scores if EXPERIMENT.models else [],
        tables=rules.compare_models.output.tables if EXPERIMENT.models else [],
        data=[f"{R}/{path}" for path in CATALOGUE.report_data()],
        predictions=run_files("prediction.zarr"),
        histories=training_files("history.csv"),
        runs=run_parts(),
        segmentations=segmentation_files(),
        saliency=saliency_maps(),
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
        slurm_partition=partition,
        slurm_account=account,
    params:
        content=CATALOGUE.report_content(),
    script:
        "../scripts/render_report.py"


rule link_runs:
    input:
        metrics=run_files("metrics.json"),
        timing=run_files("timing.json", trained=True),
        saliency=saliency_maps(),
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
        slurm_partition=partition,
        slurm_account=account,
    params:
        runs=CATALOGUE.comparison_content()["runs"],
    script:
        "../scripts/link_runs.py"


rule log_to_mlflow:
    input:
        metrics=run_files("metrics.json"),
        training=training_files("training.json"),
        timing=run_files("timing.json", trained=True),
        per_image=run_files("per_image.csv"),
        parts=part_scores(),
        histories=training_files("history.csv"),
        checkpoints=training_files("checkpoint.pt"),
        predictions=run_files("prediction.zarr"),
        data=[f"{R}/{path}" for path in CATALOGUE.report_data()],
        scores=rules.compare_models.output.scores,
        tables=rules.compare_models.output.tables,
        report=rules.render_report.output.report,
        figures=rules.render_report.output.figures,
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
        slurm_partition=partition,
        slurm_account=account,
    params:
        # with a password in it the address would stay in Snakemake's records
        server=tracking_server(),
        content=CATALOGUE.report_content(),
    script:
        "../scripts/log_to_mlflow.py"
