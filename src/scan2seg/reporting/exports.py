"""Tables of the page in forms that go into other programs: CSV, Markdown, LaTeX; and files as parts of the page."""

import base64
import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scan2seg.evaluation.comparison import markdown_table
from scan2seg.reporting.tables import Cell, Table

PERFORMANCE, PARTS = "performance", "parts"
"""The stems of the files that hold the tables of performance, and of scores on training and validation images too."""
KINDS = {".csv": "text/csv", ".md": "text/markdown", ".tex": "application/x-tex"}
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "×": r"$\times$", "±": r"$\pm$", "µ": r"$\mu$",
    "Δ": r"$\Delta$", "–": "--", "<": "$<$", ">": "$>$",
}  # fmt: skip


@dataclass(frozen=True)
class Attachment:
    """A file that travels inside the page: its name, and its content as a data URI."""

    name: str
    uri: str


def write_forms(stem: str, tables: Mapping[str, Table]) -> dict[str, str]:
    """Return file name to content of tables, by dataset, in every form."""
    forms = {"csv": write_csv, "md": write_markdown, "tex": write_latex}
    return {f"{stem}.{suffix}": write(tables) for suffix, write in forms.items()}


def attach(name: str, content: str) -> Attachment:
    """Put a text into the page as a file to save."""
    kind = KINDS.get(Path(name).suffix, "text/plain")
    encoded = base64.b64encode(content.encode("utf-8")).decode("ascii")
    return Attachment(name, f"data:{kind};charset=utf-8;base64,{encoded}")


def write_csv(tables: Mapping[str, Table], first: str = "dataset") -> str:
    """Return tables as one CSV; the first column names the table. Numbers are whole, times are in seconds."""
    columns = list(dict.fromkeys(column for table in tables.values() for column in table.columns))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([first, *columns])
    for name, table in tables.items():
        for row in [*table.rows, *table.marked]:
            cells = dict(zip(table.columns, row, strict=True))
            writer.writerow([name, *(_raw(cells[column]) if column in cells else "" for column in columns)])
    return buffer.getvalue()


def write_markdown(tables: Mapping[str, Table]) -> str:
    """Return tables as Markdown, each under its name and over its caption."""
    parts = []
    for name, table in tables.items():
        body = [[cell.text for cell in row] for row in [*table.rows, *table.marked]]
        parts.append(
            f"## {name}\n\n{markdown_table(table.columns, body)}" + f"\n{table.caption}\n" * bool(table.caption)
        )
    return "\n".join(parts)


def write_latex(tables: Mapping[str, Table]) -> str:
    """Return tables for LaTeX with the package booktabs, each as a ``table*`` with its caption."""
    return "% needs \\usepackage{booktabs}\n" + "\n".join(_tabular(*pair) for pair in tables.items())


def _tabular(name: str, table: Table) -> str:
    rows = [*table.rows, *table.marked]
    numeric = [any(isinstance(row[place].key, float) for row in rows) for place in range(len(table.columns))]
    lines = [r"\begin{table*}", r"  \centering", f"  \\caption{{{escape_latex(name)}. {escape_latex(table.caption)}}}"]
    lines += [f"  \\begin{{tabular}}{{{''.join('r' if one else 'l' for one in numeric)}}}", r"    \toprule"]
    lines += [_line(table.columns), r"    \midrule", *(_line([cell.text for cell in row]) for row in table.rows)]
    lines += [r"    \midrule", *(_line([cell.text for cell in row]) for row in table.marked)] if table.marked else []
    return "\n".join([*lines, r"    \bottomrule", r"  \end{tabular}", r"\end{table*}", ""])


def _line(cells: list[str]) -> str:
    return "    " + " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def escape_latex(text: str) -> str:
    """Return text as LaTeX sets it, whatever letters it has."""
    return "".join(_LATEX.get(letter, letter) for letter in re.sub(r"\s+", " ", text))


def _raw(cell: Cell) -> str:
    return str(cell.key) if isinstance(cell.key, float | int) else cell.text.replace("–", "")
