# Projections to a denoised volume.


def scan_source(wildcards):
    """Return what the reader is told of a scan."""
    dataset = SCANS[wildcards.dataset]
    if dataset.source.kind == "simulation":
        return {"projections": f"{R}/{wildcards.dataset}/scans/{wildcards.scan}/projections.h5"}
    scan = dataset.scans()[wildcards.scan]
    keys = ("projections", "flats", "darks", "angles", "reader")
    return {key: scan[key] for key in keys if scan.get(key)}


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
    return code("scan2seg.denoising.scan", *(plugin("denoising", step) for step in steps))


rule reconstruct_scan:
    input:
        unpack(scan_files),
        code=reconstruction_code,
    output:
        volume=directory(f"{R}/{{dataset}}/scans/{{scan}}/reconstruction.zarr"),
    log:
        f"{R}/logs/reconstruct_scan/{{dataset}}/{{scan}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct_scan/{{dataset}}/{{scan}}.tsv"
    threads: 16
    resources:
        mem_mb=memory(8000),
        runtime=minutes(240),
        slurm_partition=partition,
        slurm_account=account,
    params:
        source=scan_source,
        settings=reconstruction_settings,
        splits=lambda wildcards: SCANS[wildcards.dataset].reconstruction_splits(),
    script:
        "../scripts/reconstruct_scan.py"


rule denoise_scan:
    input:
        volume=rules.reconstruct_scan.output.volume,
        code=denoising_code,
    output:
        volume=directory(f"{R}/{{dataset}}/scans/{{scan}}/denoised.zarr"),
    log:
        f"{R}/logs/denoise_scan/{{dataset}}/{{scan}}.log",
    benchmark:
        f"{R}/benchmarks/denoise_scan/{{dataset}}/{{scan}}.tsv"
    threads: 16
    resources:
        mem_mb=memory(8000),
        runtime=minutes(240),
        slurm_partition=partition,
        slurm_account=account,
    params:
        steps=lambda wildcards: SCANS[wildcards.dataset].denoising(),
    script:
        "../scripts/denoise_scan.py"
