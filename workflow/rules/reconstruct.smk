# Projections to a denoised volume.
include: "../functions/reconstruct.smk"


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
    conda:
        "../../envs/reconstruct.yaml"
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
    conda:
        "../../envs/reconstruct.yaml"
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
