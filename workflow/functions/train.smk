# What the rules of rules/train.smk ask for.
def started_from(wildcards):
    """Name the encoder that a model starts from, and the stack whose test images it must not know; mostly nothing."""
    training = thing(wildcards)
    if training.encoder is None:
        return {}
    encoder = path_of(training.encoder)
    facts = f"{encoder.rpartition('/')[0]}/pretraining.json"
    return {"encoder": encoder, "pretraining": facts, "stack": stack_of(wildcards)}


def training_minutes(wildcards, attempt):
    """Ask for what the model's file says, at another try, which goes on, for the time that is left."""
    (asked,) = {
        model.resources.runtime for model in CATALOGUE.models_of(thing(wildcards))
    }
    log = Path(f"{R}/logs/train_model/{wildcards.run}/{wildcards.replicate}.log")
    grown = model_resource("runtime")(wildcards, attempt)
    left = remaining_minutes(grown, log)
    return grown if attempt == 1 or left >= asked else left
