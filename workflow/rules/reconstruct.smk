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


rule export_volume:
    input:
        volume=f"{R}/{{dataset}}/scans/{{scan}}/{{stage}}.zarr",
        code=export_code,
    output:
        file=f"{R}/{{dataset}}/scans/{{scan}}/{{stage}}.{{suffix}}",
    log:
        f"{R}/logs/export_volume/{{dataset}}/{{scan}}/{{stage}}.{{suffix}}.log",
    benchmark:
        f"{R}/benchmarks/export_volume/{{dataset}}/{{scan}}/{{stage}}.{{suffix}}.tsv"
    wildcard_constraints:
        stage="reconstruction|denoised",
        suffix="(?!zarr)[a-z0-9]+",
    conda:
        "../../envs/reconstruct.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(120),
        slurm_partition=partition,
        slurm_account=account,
    params:
        settings=export_settings,
    script:
        "../scripts/export_volume.py"
