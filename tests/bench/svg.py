"""One plot: latency against followers, both logarithmic. No library is worth its place in the lock file for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 60, 40, 120, 40
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#475569")


def plot(title: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Lines of (followers, milliseconds)."""
    points = [point for line in lines.values() for point in line]
    across = sorted({x for x, _ in points})
    low, high = math.floor(math.log10(min(y for _, y in points))), math.ceil(math.log10(max(y for _, y in points)))

    def at(x: float, y: float) -> tuple[float, float]:
        share = math.log(x / across[0]) / math.log(across[-1] / across[0]) if len(across) > 1 else 0.0
        rise = (math.log10(y) - low) / max(1, high - low)
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - rise * (HEIGHT - TOP - BOTTOM)

    found = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"',
        ' font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/><text x="{LEFT}" y="20" font-size="14">{title}</text>',
    ]
    for power in range(low, high + 1):
        x, y = at(across[0], 10.0**power)
        found.append(f'<line x1="{x}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        found.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>')
    for followers in across:
        x, _ = at(followers, 10.0**low)
        found.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{followers:g}</text>')
    for colour, (name, line) in zip(COLOURS, lines.items(), strict=False):
        drawn = [at(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in drawn)
        found.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        found += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in drawn]
        x, y = drawn[-1]
        found.append(f'<text x="{x + 8:.1f}" y="{y + 4:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*found, "</svg>", ""])
