# What the rules of rules/reconstruct.smk ask for.
def exported(wildcards):
    """Return the volume that a file in another format is written from, and the format."""
    name = f"{wildcards.place}/volume{wildcards.mark}.{wildcards.suffix}"
    if name not in CATALOGUE.exports:
        raise WorkflowError(
            f"{name}: {CONFIG_FILE} asks for no such file; see formats:"
        )
    return CATALOGUE.exports[name]
