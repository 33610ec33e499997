# What the rules of rules/predict.smk ask for.
def checkpoint_of(wildcards):
    """Name the checkpoint that a job applies."""
    name = getattr(wildcards, "applied", None) or wildcards.replicate
    return f"{R}/runs/{wildcards.run}/{name.split('/')[0]}/checkpoint.pt"


def inference_of(wildcards):
    """Return the settings of inference that the folder of the predictions stands for."""
    return CATALOGUE.applications[f"{wildcards.run}/{wildcards.applied}"]


def architecture_code(stage):
    """List the code of a stage that applies a trained model, and of the model's architecture."""
    return lambda wildcards: code(stage, thing(wildcards).architecture_module())


def candidate_files(wildcards):
    """List the files of the runs that a new scan's model is chosen from: what scores tell, and the checkpoints."""
    files = []
    for *_, folder, applied in thing(wildcards).runs():
        files += [f"{folder}/checkpoint.pt", f"{folder}/training.json"]
        files += [f"{applied}/metrics.json", f"{applied}/per_image.csv"]
    return [f"{R}/{file}" for file in files]
