# What the rules of rules/acquire.smk ask for.
def scan_files(wildcards):
    """List the raw files of a scan."""
    dataset = SCANS[wildcards.dataset]
    if dataset.source.kind == "simulation":
        return {
            "projections": f"{R}/{wildcards.dataset}/scans/{wildcards.scan}/projections.h5"
        }
    from scan2seg.sources import find_files

    return {
        key: [str(path) for pattern in patterns for path in find_files(pattern, key)]
        for key, patterns in dataset.scan_patterns(wildcards.scan).items()
    }
