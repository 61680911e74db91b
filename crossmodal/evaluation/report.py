"""Render an evaluation as plain text, Markdown, JSON, or one self-contained HTML page."""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from html import escape

from crossmodal.evaluation.result import Figure, RetrievalResult

_HEAD = ("", "text → image", "95 %", "chance", "image → text", "95 %", "chance")
_NAMES = {
    "median_rank": "median rank",
    "mean_rank": "mean rank",
    "mean_reciprocal_rank": "MRR",
    "mean_average_precision": "mAP",
    "ndcg": "nDCG",
}
_RANKS = {"median_rank", "mean_rank"}


def json_report(result: RetrievalResult) -> str:
    """`to_dict` as JSON, in its order; non-finite numbers are null."""
    return json.dumps(result.to_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def text_table(result: RetrievalResult) -> str:
    """Plain text with aligned columns, warnings first."""
    rows = [_HEAD, *_rows(result)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]).rstrip()
        for row in rows
    ]
    return "\n".join([*(f"Careful: {warning}" for warning in result.warnings), *lines, "", *_notes(result)])


def markdown_report(result: RetrievalResult, *, title: str = "Evaluation") -> str:
    """A Markdown section: warnings, table, and notes on the data."""
    rows = [_HEAD, ("---", *["---:"] * (len(_HEAD) - 1)), *_rows(result)]
    table = ["| " + " | ".join(row) + " |" for row in rows]
    warnings = [line for warning in result.warnings for line in (f"**Careful:** {warning}", "")]
    heading = _markdown_safe(" ".join(title.split()))
    return "\n".join([f"## {heading}", "", *warnings, *table, "", *(f"- {note}" for note in _notes(result)), ""])


def html_report(
    result: RetrievalResult,
    *,
    title: str = "Evaluation",
    about: Mapping[str, str] | None = None,
    plots: Sequence[tuple[str, bytes]] = (),
) -> str:
    """One HTML page with metrics, notes and plots; loads nothing external and escapes all text.

    Args:
        title: heading of the page.
        about: facts such as model, data and date: name → value.
        plots: (caption, PNG) of each plot, in order.
    """
    warnings = "".join(f'<p class="careful"><strong>Careful:</strong> {escape(warning)}</p>' for warning in result.warnings)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(words)}</dd>" for name, words in (about or {}).items())
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in _HEAD)
    body = "".join(_html_row(row) for row in _rows(result))
    notes = "".join(f"<li>{escape(note)}</li>" for note in _notes(result))
    figures = "".join(
        f'<figure><img alt="{escape(words)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>{escape(words)}</figcaption></figure>"
        for words, png in plots
    )
    return _PAGE.format(
        title=escape(title),
        warnings=warnings,
        facts=f"<dl>{facts}</dl>" if facts else "",
        head=head,
        body=body,
        notes=notes,
        plots=figures,
    )


def _rows(result: RetrievalResult) -> list[tuple[str, ...]]:
    to_image, to_text = result.text_to_image.named(), result.image_to_text.named()
    rows = [(_label(name), *_cells(name, to_image[name]), *_cells(name, to_text[name])) for name in to_image]
    return [*rows, ("recall sum, both", *_cells("recall_sum", result.recall_sum), "", "", "")]


def _label(name: str) -> str:
    return _NAMES.get(name) or f"R@{name.rpartition('_')[2]}, %"


def _cells(name: str, figure: Figure) -> tuple[str, str, str]:
    def shown(number: float) -> str:
        if not math.isfinite(number):
            return "–"
        if name in _RANKS:
            return f"{number:,.1f}"
        # A small chance must not be shown as 0.
        return _percent(number) if name.startswith("recall") else f"{number:.4f}"

    return shown(figure.value), f"{shown(figure.low)} – {shown(figure.high)}", shown(figure.chance)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}" if share == 0 or share >= 0.0001 else f"{100 * share:.1g}"


def _notes(result: RetrievalResult) -> list[str]:
    to_image, to_text = result.text_to_image, result.image_to_text
    spaces = [
        f"{name}: effective rank {_number(space.effective_rank, 1)} of {min(space.count, space.embed_dim)},"
        f" uniformity {_number(space.uniformity, 3)}, mean cosine {_number(space.mean_cosine, 3)}"
        f"{', collapsed' if space.collapsed else ''}"
        for name, space in (("image embeddings", result.images), ("text embeddings", result.texts))
    ]
    return [
        f"text → image: {to_image.queries:,} texts over {to_image.gallery:,} pictures;"
        f" image → text: {to_text.queries:,} pictures over {to_text.gallery:,} texts",
        f"alignment {_number(result.alignment, 3)}; " + "; ".join(spaces),
        f"95 % intervals: {result.resamples:,} draws by picture, seed {result.seed}; chance by formula; ties count against the model",
    ]


def _number(number: float, places: int) -> str:
    return f"{number:.{places}f}" if math.isfinite(number) else "–"


def _html_row(row: tuple[str, ...]) -> str:
    return f'<tr><th scope="row">{escape(row[0])}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in row[1:]) + "</tr>"


def _markdown_safe(words: str) -> str:
    return "".join(f"\\{letter}" if letter in "\\`*_{}[]<>#|!&" else letter for letter in words)


_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }}
.table {{ overflow-x: auto }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }}
th, td {{ padding: .35rem .7rem; border-bottom: 1px solid #ccc; text-align: right; white-space: nowrap }}
th:first-child {{ text-align: left }}
dt {{ font-weight: 600 }} dd {{ margin: 0 0 .4rem; overflow-wrap: anywhere }} h1 {{ overflow-wrap: anywhere }}
.careful {{ border-left: .4rem solid #d55e00; padding: .5rem 1rem; background: #fdf1e7 }}
figure {{ margin: 2rem 0; break-inside: avoid }} img {{ max-width: 100%; height: auto }} figcaption {{ color: #444 }}
</style></head><body>
<h1>{title}</h1>
{warnings}{facts}
<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>
<ul>{notes}</ul>
{plots}
</body></html>
"""
