# From raw projections to a benchmark of segmentation models. Run it with
#   snakemake -c2 --configfile config/experiments/NAME.yaml
# or, on a cluster, with  snakemake --profile slurm  (see README.md).


include: "workflow/functions/common.smk"
include: "workflow/rules/acquire.smk"
include: "workflow/rules/reconstruct.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/tune.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/evaluate.smk"


localrules:
    all,
    report,
    reconstructions,
    stacks,
    studies,
    segmentations,


# simulate_scan ─┐
# raw scan ──────┴> reconstruct_scan ─> denoise_scan ─┐
# images + masks, volumes + labels ───────────────────┴> assemble_stack ─> split_stack ─> extract_patches ─> train_model
#                           (where a recipe asks for it)                               └─> pretrain_encoder ─┘
# report <─ render_report <─ compare_models <─ score_prediction <─ predict_stack, ensemble_predictions <─ train_model
# mlflow <─ log_to_mlflow <─ compare_models                        time_inference, map_saliency        <─ train_model
#                                     (where inference asks for it) plan_inference ─> predict_stack    <─ train_model
# report <─ render_report <─ compare_trials <─ tune_model <─ extract_patches
# new scan ─> reconstruct_scan ─> denoise_scan ─> segment_scan (best model of a report)
# new images, volumes ─────────────────────────> segment_files (best model of a report)
rule all:
    default_target: True
    input:
        later(report_files),
        later(volume_files),
        later(search_files),
        later(segmentation_files),


rule report:
    input:
        later(report_files),


rule reconstructions:
    input:
        later(volume_files),


rule stacks:
    input:
        [f"{R}/{stack.path}" for stack in CATALOGUE.all_of(Stack).values()],


rule studies:
    input:
        later(search_files),


rule segmentations:
    input:
        later(segmentation_files),
