# What the rules of rules/acquire.smk ask for.
def scan_files(wildcards):
    """List the raw files of a scan."""
    dataset = SCANS[wildcards.dataset]
    if dataset.source.kind == "simulation":
        return {
            "projections": f"{R}/{wildcards.dataset}/scans/{wildcards.scan}/projections.h5"
        }
    from scan2seg.sources import find_files

    scan = dataset.scans()[wildcards.scan]
    keys = ("projections", "flats", "darks", "angles")
    return {
        key: [str(path) for path in find_files(scan[key], key)]
        for key in keys
        if scan.get(key)
    }
