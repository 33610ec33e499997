# Where projections come from: a simulation, or the user's files.


def scan_files(wildcards):
    """List the raw files of a scan."""
    dataset = SCANS[wildcards.dataset]
    if dataset.source.kind == "simulation":
        return {"projections": f"{R}/{wildcards.dataset}/scans/{wildcards.scan}/projections.h5"}
    from scan2seg.sources import find_files

    scan = dataset.scans()[wildcards.scan]
    keys = ("projections", "flats", "darks", "angles")
    return {key: [str(path) for path in find_files(scan[key], key)] for key in keys if scan.get(key)}


rule simulate_scan:
    input:
        code=code("scan2seg.simulation.scan"),
    output:
        projections=f"{R}/{{dataset}}/scans/{{scan}}/projections.h5",
        labels=directory(f"{R}/{{dataset}}/scans/{{scan}}/labels.zarr"),
    log:
        f"{R}/logs/simulate_scan/{{dataset}}/{{scan}}.log",
    benchmark:
        f"{R}/benchmarks/simulate_scan/{{dataset}}/{{scan}}.tsv"
    threads: 8
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
        slurm_partition=partition,
        slurm_account=account,
    params:
        settings=lambda wildcards: SCANS[wildcards.dataset].scans()[wildcards.scan],
    script:
        "../scripts/simulate_scan.py"
