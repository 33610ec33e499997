# Predictions to scores, scores to a comparison, and the comparison to people.


def run_files(name):
    """Name one file of every run of the experiment."""
    return [f"{R}/{dataset}/runs/{model}/{replicate}/{name}" for dataset, model, replicate in EXPERIMENT.runs()]


def trained_files(name):
    """Name one file of every run that is not an ensemble."""
    runs = [run for run in EXPERIMENT.runs() if run[1] in EXPERIMENT.models]
    return [f"{R}/{dataset}/runs/{model}/{replicate}/{name}" for dataset, model, replicate in runs]


def published_rows():
    return [
        {"dataset": name, **row.model_dump(mode="json")}
        for name, dataset in EXPERIMENT.datasets.items()
        for row in dataset.published
    ]


def reference_model():
    names = [*EXPERIMENT.models, *EXPERIMENT.settings.ensembles]
    return EXPERIMENT.settings.reference_model or (names[0] if names else None)


def dataset_files(name):
    return [f"{R}/{dataset}/{name}" for dataset in EXPERIMENT.datasets if EXPERIMENT.datasets[dataset].has_labels()]


def template_files():
    files = [str(path) for path in sorted(Path(workflow.basedir).glob("src/scan2seg/reporting/templates/*"))]
    return files if EXPERIMENT.settings.track_code else [ancient(file) for file in files]


def saliency_maps():
    if not EXPERIMENT.settings.saliency:
        return []
    names = list(EXPERIMENT.settings.replicates.names())[:1]
    return [file for file in trained_files("saliency.zarr") if file.split("/")[-2] in names]


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
        splits=dataset_files("split.json") if EXPERIMENT.models else [],
        predictions=run_files("prediction.zarr"),
        histories=trained_files("history.csv"),
        volumes=volumes(),
        segmentations=segmentation_files(),
        saliency=saliency_maps(),
        code=code("scan2seg.reporting.html"),
        templates=template_files(),
    output:
        report=report(f"{REPORT}/index.html", caption="../report/benchmark.rst", category="Benchmark"),
        figures=directory(f"{REPORT}/figures"),
    log:
        f"{R}/logs/render_report/{EXPERIMENT.settings.experiment}.log",
    benchmark:
        f"{R}/benchmarks/render_report/{EXPERIMENT.settings.experiment}.tsv"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
        slurm_partition=partition,
        slurm_account=account,
    params:
        experiment=EXPERIMENT.summary(),
        results=R,
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
    resources:
        mem_mb=memory(3000),
        runtime=minutes(60),
        slurm_partition=partition,
        slurm_account=account,
    params:
        experiment=EXPERIMENT.settings.experiment,
        uri=EXPERIMENT.settings.tracking.uri,
        runs=EXPERIMENT.summary()["runs"],
        results=R,
    script:
        "../scripts/log_to_mlflow.py"
