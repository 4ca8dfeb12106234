"""Draw the loss curves of one or more training runs as an SVG.

python -m orchestra.training.loss_curve models/countdown-6m/training.json --out models/countdown-6m/loss.svg
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 720, 320, 56
COLOURS = ("#2563eb", "#d97706", "#059669", "#db2777")


@dataclass(frozen=True, slots=True)
class Curve:
    label: str
    points: Sequence[tuple[float, float]]
    """(millions of tokens, loss in nats a trained token)."""


def read(path: Path) -> Curve:
    facts = json.loads(path.read_text())
    label = f"{facts['parameters'] / 1e6:.1f}M parameters, {facts['seconds']:.0f} s on {facts['device']}"
    return Curve(label, [(entry["tokens"] / 1e6, entry["loss"]) for entry in facts["curve"]])


def draw(curves: Sequence[Curve]) -> str:
    """A line chart: tokens across, loss on a logarithmic scale."""
    right = max(x for curve in curves for x, _ in curve.points)
    low = math.floor(math.log10(min(y for curve in curves for _, y in curve.points)))
    high = math.ceil(math.log10(max(y for curve in curves for _, y in curve.points)))

    def x_of(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * value / right

    def y_of(value: float) -> float:
        return HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (math.log10(value) - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif" font-size="12">',
        f'<title>Training loss</title><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for power in range(low, high + 1):
        y = y_of(10.0**power)
        parts.append(f'<path d="M{MARGIN} {y:.1f}H{WIDTH - MARGIN}" stroke="#e5e7eb"/>')
        parts.append(f'<text x="{MARGIN - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#4b5563">{10.0**power:g}</text>')
    for index in range(5):
        value = right * index / 4
        parts.append(
            f'<text x="{x_of(value):.1f}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle" fill="#4b5563">{value:.0f}M</text>'
        )
    for index, curve in enumerate(curves):
        line = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in curve.points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[index % len(COLOURS)]}" stroke-width="1.8"/>')
        parts.append(
            f'<text x="{WIDTH - MARGIN}" y="{MARGIN + 16 * index}" text-anchor="end" fill="{COLOURS[index % len(COLOURS)]}">'
            f"{escape(curve.label)}</text>"
        )
    parts.append(
        f'<text x="{MARGIN}" y="28" fill="#111827" font-weight="600">loss (nats a trained token) against training tokens</text></svg>'
    )
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="training.json")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.write_text(draw([read(path) for path in args.runs]))


if __name__ == "__main__":
    main()
