"""A backtest's report as Markdown, for people: the same report gives the same text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nightcast.domain.backtest_report import MODEL

BEGIN, END = "<!-- backtest: written by `nightcast backtest --write` -->", "<!-- /backtest -->"
TITLES = {  # metric -> heading; others keep their names
    "wape_day": "WAPE day",
    "wape_horizon": "WAPE horizon",
    "bias": "bias",
    "rmsse": "RMSSE",
    "mase": "MASE",
    "pinball": "pinball",
    "coverage": "coverage",
    "interval_width": "width",
    "to_mean_28": "to mean_28",
    "to_seasonal_naive": "to seasonal naive",
}
SIGNED = ("bias",)


def markdown(report: Mapping[str, Any]) -> str:
    """All tables of a report."""
    others = [name for name in report["made_with"]["other_models"] if name in report["methods"]]
    return "\n\n".join(
        [
            _opening(report),
            _methods(report["methods"]),
            "WAPE horizon as a ratio, and its 95 % interval if the entities were others:",
            _ratios(report["ratios"]),
            f"By origin, {MODEL}" + "".join(f" / {name}" for name in others) + ":",
            _parts("origin", report["by_origin"], [MODEL, *others]),
            "By days ahead:",
            _parts("days ahead", report["by_horizon"], [MODEL, *others]),
            "By slice, as known at the origin:",
            _parts("slice", report["by_slice"], [MODEL, *others]),
        ]
    )


def written(text: str, block: str) -> str:
    """A README with the block between the markers; without them it is put at the end, under a heading."""
    marked = f"{BEGIN}\n\n{block}\n\n{END}"
    if BEGIN in text and END in text.split(BEGIN, 1)[1]:
        before, _, rest = text.partition(BEGIN)
        return before + marked + rest.partition(END)[2]
    return f"{text.rstrip()}\n\n## Backtest\n\n{marked}\n"


def block_of(text: str) -> str | None:
    """What stands between the markers of a README, or None."""
    _, begin, rest = text.partition(BEGIN)
    block, end, _ = rest.partition(END)
    return block.strip() if begin and end else None


def _opening(report: Mapping[str, Any]) -> str:
    origins, left = report["origins"], report["left_out"]
    out = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in left.items() if count)
    checks = [sum(c[name] for c in report["checks"].values()) for name in ("not_finite", "negative", "crossing")]
    return (
        f"{report['rows']:,} rows (an entity on an open day) from {len(origins)} origins: {', '.join(origins)}. "
        f"Left out: {out or 'none'}. {_number(report['share_of_zeros'], 3)} of the actuals are 0. "
        f"Not finite {checks[0]}, negative {checks[1]}, crossing quantiles {checks[2]}."
    )


def _methods(methods: Mapping[str, Mapping[str, Any]]) -> str:
    metrics = _shown(next(iter(methods.values())))
    rows = [
        [f"**{name}**" if name == MODEL else name, *(_value(metric, found[metric]) for metric in metrics)]
        for name, found in methods.items()
    ]
    return table(["method", *(TITLES.get(m, m.replace("_", " ")) for m in metrics)], rows)


def _ratios(ratios: Mapping[str, Mapping[str, Sequence[float | None]]]) -> str:
    others = list(dict.fromkeys(other for found in ratios.values() for other in found))
    rows = [[name, *(_interval(found.get(other)) for other in others)] for name, found in ratios.items()]
    return table(["model", *(TITLES.get(o, o.replace("_", " ")) for o in others)], rows)


def _interval(values: Sequence[float | None] | None) -> str:
    ratio, low, high = (_number(v, 3) for v in values or (None, None, None))
    return "-" if ratio == "-" else f"{ratio} ({low} to {high})"


def _parts(title: str, parts: Mapping[str, Any], names: Sequence[str]) -> str:
    """Error over the horizon against the yardstick, bias and tail of some methods, a line per part."""
    if not parts:
        return "(none)"
    first = next(iter(parts.values()))["methods"][MODEL]
    metrics = ["wape_horizon", "to_mean_28", "bias"]
    metrics += [m for m in _shown(first) if m.startswith(("share_below", "coverage"))]
    rows = []
    for part, found in parts.items():
        methods = [found["methods"][name] for name in names]
        values = [" / ".join(_value(metric, m[metric]) for m in methods) for metric in metrics]
        rows.append([part, f"{found['rows']:,}", _value("", found["methods"]["mean_28"]["wape_horizon"]), *values])
    heads = ["WAPE horizon", "to mean_28", "bias", *(m.replace("_", " ") for m in metrics[3:])]
    return table([title, "rows", "WAPE horizon of mean_28", *heads], rows)


def _shown(found: Mapping[str, Any]) -> list[str]:
    """The metrics that tables show, of those that there are: of quantiles the mean loss, and the highest's tail."""
    below = [name for name in found if name.startswith("share_below")][-1:]
    wanted = ["wape_day", "wape_horizon", "bias", "rmsse", "mase", "pinball", *below, "coverage", "interval_width"]
    return [name for name in (*wanted, "to_mean_28", "to_seasonal_naive") if name in found]


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up when read as text; all but the first to the right."""
    widths = [max(len(line[i]) for line in (headers, *rows)) for i in range(len(headers))]
    rule = ["-" * widths[0], *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join(
        "| "
        + " | ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True)))
        + " |"
        for line in (headers, rule, *rows)
    )


def _value(metric: str, value: float | None) -> str:
    return _number(value, 3, signed=metric in SIGNED)


def _number(value: float | None, digits: int, *, signed: bool = False) -> str:
    if value is None:
        return "-"
    return f"{value:{'+' if signed else ''}.{digits}f}"
