# What the rules of rules/predict.smk ask for.
def checkpoint_of(wildcards):
    """Name the checkpoint that a job applies."""
    name = getattr(wildcards, "applied", None) or wildcards.replicate
    return f"{R}/runs/{wildcards.run}/{name.split('/')[0]}/checkpoint.pt"


def inference_of(wildcards):
    """Return the settings of inference that the folder of the predictions stands for."""
    return CATALOGUE.applications[f"{wildcards.run}/{wildcards.applied}"]


def plan_of(wildcards):
    """Name the plan of the inference, where its settings ask for one."""
    planned = inference_of(wildcards)["plan"] is not None
    return f"{R}/runs/{wildcards.run}/{wildcards.applied}/plan.json" if planned else []


def architecture_code(stage):
    """List the code of a stage that applies a trained model, and of the model's architecture."""
    return lambda wildcards: code(stage, thing(wildcards).architecture_module())


def candidate_files(wildcards):
    """List the files of the runs that a new scan's model is chosen from: what scores tell, and the checkpoints."""
    files, segmentation = [], thing(wildcards)
    for _, model, _, folder, applied in segmentation.runs():
        planned = segmentation.inference[model]["plan"] is not None
        files += [f"{applied}/plan.json"] if planned else []
        files += [f"{folder}/checkpoint.pt", f"{folder}/training.json"]
        files += [f"{applied}/metrics.json", f"{applied}/per_image.csv"]
    return [f"{R}/{file}" for file in files]
