# Any source to a stack, a split and patches.
include: "../functions/prepare.smk"


rule assemble_stack:
    input:
        files=stack_files_of,
        code=lambda wildcards: code(
            f"scan2seg.sources.{STACKED[wildcards.dataset].source_module()}",
            "scan2seg.stack",
        ),
    output:
        stack=directory(f"{R}/{{dataset}}/stack.zarr"),
    log:
        f"{R}/logs/assemble_stack/{{dataset}}.log",
    benchmark:
        f"{R}/benchmarks/assemble_stack/{{dataset}}.tsv"
    conda:
        "../../envs/prepare.yaml"
    threads: 4
    resources:
        mem_mb=memory(6000),
        runtime=minutes(120),
        slurm_partition=partition,
        slurm_account=account,
    params:
        source=lambda wildcards: STACKED[wildcards.dataset].stack_source(),
        scans=stack_scans,
        classes=lambda wildcards: STACKED[wildcards.dataset].classes,
        pixel_size=lambda wildcards: STACKED[wildcards.dataset].pixel_size,
    script:
        "../scripts/assemble_stack.py"


rule split_stack:
    input:
        stack=rules.assemble_stack.output.stack,
        code=code("scan2seg.split"),
    output:
        split=f"{R}/{{dataset}}/split.json",
    log:
        f"{R}/logs/split_stack/{{dataset}}.log",
    benchmark:
        f"{R}/benchmarks/split_stack/{{dataset}}.tsv"
    conda:
        "../../envs/prepare.yaml"
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30),
        slurm_partition=partition,
        slurm_account=account,
    params:
        settings=lambda wildcards: STACKED[wildcards.dataset].split.model_dump(
            mode="json"
        ),
        folds=split_folds,
    script:
        "../scripts/split_stack.py"


rule extract_patches:
    input:
        stack=rules.assemble_stack.output.stack,
        split=rules.split_stack.output.split,
        code=code("scan2seg.patches"),
    output:
        patches=directory(f"{R}/{{dataset}}/patches/{{patching}}.zarr"),
    log:
        f"{R}/logs/extract_patches/{{dataset}}/{{patching}}.log",
    benchmark:
        f"{R}/benchmarks/extract_patches/{{dataset}}/{{patching}}.tsv"
    conda:
        "../../envs/prepare.yaml"
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
        slurm_partition=partition,
        slurm_account=account,
    params:
        settings=model_patching,
    script:
        "../scripts/extract_patches.py"
