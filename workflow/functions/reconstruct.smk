# What the rules of rules/reconstruct.smk ask for.
def scan_source(wildcards):
    """Return what the reader is told of a scan."""
    dataset = SCANS[wildcards.dataset]
    if dataset.source.kind == "simulation":
        return {
            "projections": f"{R}/{wildcards.dataset}/scans/{wildcards.scan}/projections.h5"
        }
    return dataset.scan_source(wildcards.scan)


def reconstruction_settings(wildcards):
    return SCANS[wildcards.dataset].reconstruction(wildcards.scan)


def reconstruction_code(wildcards):
    settings = reconstruction_settings(wildcards)
    return code(
        "scan2seg.reconstruction.scan",
        plugin("reconstruction", settings["backend"]),
        plugin("reconstruction.stripes", settings["stripes"]),
    )


def denoising_code(wildcards):
    steps = SCANS[wildcards.dataset].denoising()
    return code(
        "scan2seg.denoising.scan", *(plugin("denoising", step) for step in steps)
    )


def export_settings(wildcards):
    """Return the format of a file that a volume is written to."""
    return SCANS[wildcards.dataset].exports()[f"{wildcards.stage}.{wildcards.suffix}"]


def export_code(wildcards):
    return code(
        "scan2seg.formats.export", plugin("formats", export_settings(wildcards))
    )
