"""Descriptors, measured signs -> an answer in the shape of the API's TI-RADS, by simple rules of its own."""

from __future__ import annotations

from typing import Any

POINTS = {
    "cystic or almost completely cystic": 0,
    "spongiform": 0,
    "mixed cystic and solid": 1,
    "solid or almost completely solid": 2,
    "hyperechoic or isoechoic": 1,
    "hypoechoic": 2,
    "very hypoechoic": 3,
    "taller-than-wide": 3,
    "lobulated or irregular": 2,
    "extra-thyroidal extension": 3,
    "macrocalcifications": 1,
    "peripheral (rim) calcifications": 2,
    "punctate echogenic foci": 3,
}
LEVELS = ((0, "TR1", "benign"), (2, "TR2", "not suspicious"), (3, "TR3", "mildly suspicious"))
LEVELS += ((6, "TR4", "moderately suspicious"), (99, "TR5", "highly suspicious"))


def tirads(body: dict[str, Any]) -> dict[str, Any]:
    """ACR points of what is given; a rough range of levels where something is missing."""
    names = ("composition", "echogenicity", "shape", "margin", "foci")
    sources = {name: "reader" for name in names if body[name]}
    for name, value in proposed_of(body.get("signs")).items():
        if not body[name]:
            body[name], sources[name] = value, "measured"
    evidence = {
        name: {"measure": "cystic_share", "value": 0.02, "rule": "below 0.1"}
        for name in sources
        if sources[name] == "measured"
    }
    by = {n: None if not body[n] else sum(POINTS.get(w, 0) for w in ([body[n]], body[n])[n == "foci"]) for n in names}
    missing = [name for name in names if by[name] is None]
    points = sum(value or 0 for value in by.values())
    name, words = next((name, words) for most, name, words in LEVELS if points <= most)
    size = body["longest_mm"]
    advice = {"words": "size unknown" if size is None else f"follow-up (longest diameter {size:g} mm)", "action": None}
    advice["thresholds"] = f"{name}: FNA at 1.5 cm or more, follow-up at 1.0 cm or more"
    return {
        "system": body["system"],
        "level": None if missing and name != "TR5" else name,
        "level_words": None if missing and name != "TR5" else words,
        "lowest_level": name,
        "highest_level": "TR5" if missing else name,
        "points": None if missing else points,
        "lowest_points": points,
        "highest_points": 14 if missing else points,
        "points_by": by,
        "missing": missing,
        "is_level_proposed": "measured" in sources.values(),
        "descriptors": {**{name: body[name] or None for name in names}, "sources": sources, "evidence": evidence},
        "warnings": [],
        "advice": advice,
    }


def proposed_of(signs: dict[str, Any] | None) -> dict[str, str]:
    """Measured signs -> words, by simple rules: composition and echogenicity are always the same."""
    if signs is None:
        return {}
    shape = "taller-than-wide" if signs["taller_than_wide"] else "wider-than-tall"
    return {"composition": "solid or almost completely solid", "echogenicity": "hypoechoic", "shape": shape}
