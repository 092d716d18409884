"""Colours and the frame every figure shares. The figures take their colours from here, the pages from tokens.css."""

from typing import Any

LIGHT = {
    "text": "#1C1917", "muted": "#57534E", "grid": "#E7E5E4", "card": "#FFFFFF", "gap": "rgba(87,83,78,0.10)",
    "series": ["#4F46E5", "#0F766E", "#C2410C", "#BE185D", "#0369A1", "#854D0E", "#7C3AED", "#4D7C0F"],
}  # fmt: skip
DARK = {
    "text": "#F2F2F2", "muted": "#A8A29F", "grid": "#363230", "card": "#1C1917", "gap": "rgba(168,162,158,0.14)",
    "series": ["#A5B4FC", "#2DD4BF", "#FDBA74", "#F9A8D4", "#7DD3FC", "#FDE047", "#C4B5FD", "#BEF264"],
}  # fmt: skip
DASHES = ["solid"] * 4 + ["dash", "dot", "dashdot", "longdash"]  # colours alone do not tell eight lines apart
FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"

CONFIG = {"displayModeBar": False, "displaylogo": False, "responsive": True}


def palette(dark: bool) -> dict[str, Any]:
    return DARK if dark else LIGHT


def layout(dark: bool) -> dict[str, Any]:
    """What every chart has: no ground of its own, a faint horizontal grid, one hover for all lines, the zoom kept."""
    colour = palette(dark)
    axis = {"showgrid": False, "zeroline": False, "linecolor": colour["grid"], "tickcolor": colour["grid"]}
    return {
        "template": None,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 12, "color": colour["muted"]},
        "margin": {"l": 48, "r": 16, "t": 8, "b": 44},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": colour["card"], "bordercolor": colour["grid"], "font": {"color": colour["text"]}},
        "showlegend": False,
        "uirevision": "kept",
        "xaxis": {**axis, "type": "date"},
        "yaxis": {**axis, "showgrid": True, "gridcolor": colour["grid"], "automargin": True},
    }
