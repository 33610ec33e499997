"""What must be said below a table of costs."""

from collections.abc import Iterable

from scan2seg.evaluation.ranking import Ranked


def describe_costs(rows: Iterable[Ranked]) -> list[str]:
    """Say whether encoders were pre-trained, and why the energy of trainings is not known."""
    trained = [(row.model, run.training) for row in rows for run in row.runs if run.training]
    notes = ["One pre-training serves all replicates."] if any(facts.get("pretraining") for _, facts in trained) else []
    models: dict[str, list[str]] = {}
    for model, facts in trained:
        if facts.get("energy_note"):
            models.setdefault(str(facts["energy_note"]), []).append(model)
    if models:
        known = any(facts.get("energy_joules") is not None for _, facts in trained) or len(models) > 1
        whose = {reason: f" of {', '.join(dict.fromkeys(names))}" if known else "" for reason, names in models.items()}
        notes += [f"Energy{whose[reason]} is not known: {reason}." for reason in models]
    return notes
