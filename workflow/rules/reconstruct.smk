# Projections to a denoised volume.
include: "../functions/reconstruct.smk"


rule reconstruct_scan:
    input:
        simulation=lambda wildcards: path_of(*thing(wildcards).parents),
        files=files_of,
        code=code_of("reconstruct_scan"),
    output:
        volume=directory(f"{R}/reconstructions/{{reconstruction}}/volume.zarr"),
    log:
        f"{R}/logs/reconstruct_scan/{{reconstruction}}.log",
    benchmark:
        f"{R}/benchmarks/reconstruct_scan/{{reconstruction}}.tsv"
    conda:
        "../../envs/reconstruct.yaml"
    threads: 16
    resources:
        mem_mb=memory(16000),
        runtime=minutes(240),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        source=lambda wildcards: thing(wildcards).scan_source(R).content(),
        settings=lambda wildcards: thing(wildcards).settings.model_dump(mode="json"),
        splits=lambda wildcards: thing(wildcards).splits,
        listing=listing_of,
    script:
        "../scripts/reconstruct_scan.py"


rule denoise_scan:
    input:
        volume=lambda wildcards: path_of(thing(wildcards).reconstruction),
        code=code_of("denoise_scan"),
    output:
        volume=directory(f"{R}/volumes/{{volume}}/volume.zarr"),
    log:
        f"{R}/logs/denoise_scan/{{volume}}.log",
    benchmark:
        f"{R}/benchmarks/denoise_scan/{{volume}}.tsv"
    conda:
        "../../envs/reconstruct.yaml"
    threads: 16
    resources:
        mem_mb=memory(8000),
        runtime=minutes(240),
        slurm_partition=own_partition,
        slurm_account=CLUSTER.account,
        gpu=gpus("gpu"),
        gres=gpus("gres"),
    params:
        steps=lambda wildcards: [step.content() for step in thing(wildcards).steps],
    script:
        "../scripts/denoise_scan.py"


rule export_volume:
    input:
        volume=lambda wildcards: path_of(exported(wildcards)[0]),
        code=lambda wildcards: code(
            "export_volume",
            exported(wildcards)[1].module_name,
        ),
    output:
        file=f"{R}/{{place}}/volume{{mark}}.{{suffix}}",
    log:
        f"{R}/logs/export_volume/{{place}}/volume{{mark}}.{{suffix}}.log",
    benchmark:
        f"{R}/benchmarks/export_volume/{{place}}/volume{{mark}}.{{suffix}}.tsv"
    wildcard_constraints:
        place=f"(reconstructions|volumes)/{FOLDER}",
        mark="(-[0-9a-f]{8})?",
        suffix="(?!zarr)[a-z0-9]+",
    conda:
        "../../envs/reconstruct.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(120),
        slurm_partition=CLUSTER.cpu_partition,
        slurm_account=CLUSTER.account,
    params:
        settings=lambda wildcards: exported(wildcards)[1].content(),
    script:
        "../scripts/export_volume.py"
