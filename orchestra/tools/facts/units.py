"""Units of measurement, by their names and usual abbreviations, and how many of a base unit each is."""

from __future__ import annotations

from ...errors import ToolError

_KINDS: dict[str, dict[str, tuple[float, tuple[str, ...]]]] = {
    "length": {
        "metres": (1, ("m", "metre", "meter", "meters")),
        "kilometres": (1_000, ("km", "kilometre", "kilometer", "kilometers")),
        "centimetres": (0.01, ("cm", "centimetre", "centimeter", "centimeters")),
        "feet": (0.3048, ("ft", "foot")),
        "inches": (0.0254, ("in", "inch")),
        "yards": (0.9144, ("yd", "yard")),
        "miles": (1_609.344, ("mi", "mile")),
    },
    "mass": {
        "kilograms": (1, ("kg", "kilogram")),
        "grams": (0.001, ("g", "gram")),
        "tonnes": (1_000, ("t", "tonne")),
        "pounds": (0.45359237, ("lb", "lbs", "pound")),
        "ounces": (0.028349523125, ("oz", "ounce")),
    },
    "area": {
        "square kilometres": (1, ("km2", "km²", "square kilometers")),
        "square miles": (2.589988110336, ("mi2", "sq mi")),
        "hectares": (0.01, ("ha", "hectare")),
        "acres": (0.0040468564224, ("acre",)),
    },
    "speed": {
        "kilometres per hour": (1, ("km/h", "kph", "kilometers per hour")),
        "miles per hour": (1.609344, ("mph",)),
        "metres per second": (3.6, ("m/s", "meters per second")),
        "knots": (1.852, ("kn", "knot")),
    },
    "time": {
        "minutes": (1, ("min", "minute")),
        "seconds": (1 / 60, ("s", "second")),
        "hours": (60, ("h", "hour")),
        "days": (1_440, ("day",)),
        "weeks": (10_080, ("week",)),
        "months": (43_800, ("month",)),
        "years": (525_600, ("year",)),  # 365 days, twelve equal months
    },
    "volume": {
        "litres": (1, ("l", "litre", "liter", "liters")),
        "millilitres": (0.001, ("ml", "millilitre", "milliliter", "milliliters")),
        "cubic metres": (1_000, ("m3", "m³", "cubic meters")),
        "gallons": (3.785411784, ("gal", "gallon")),  # of the United States
    },
    "power": {
        "kilowatts": (1, ("kw", "kilowatt")),
        "watts": (0.001, ("w", "watt")),
        "megawatts": (1_000, ("mw", "megawatt")),
        "horsepower": (0.745699871582, ("hp",)),  # mechanical
    },
}
_FACTORS = {
    word: (kind, name, factor)
    for kind, units in _KINDS.items()
    for name, (factor, others) in units.items()
    for word in (name, *others)
}


def spellings() -> dict[str, str]:
    """What units are written as, in small letters, and each one's full name."""
    return {word: name for word, (_, name, _) in _FACTORS.items()}


def full_name(unit: str) -> str:
    """Raises `ToolError` for an unknown one."""
    return _known(unit)[1]


def names(unit: str) -> tuple[str, ...]:
    """The units of the same kind, each by its full name. Raises `ToolError` for an unknown one."""
    return tuple(_KINDS[_known(unit)[0]])


def converted(number: float, unit: str, to: str) -> float:
    """Raises `ToolError` for unknown units, and for two of different kinds."""
    (kind, name, factor), (other, other_name, divisor) = _known(unit), _known(to)
    if kind != other:
        raise ToolError(f"{name} measure {kind} and {other_name} {other}: {name} can be converted to {', '.join(names(name))}")
    return number * factor / divisor


def _known(unit: str) -> tuple[str, str, float]:
    found = _FACTORS.get(" ".join(unit.split()).casefold())
    if found is None:
        listed = ", ".join(name for units in _KINDS.values() for name in units)
        raise ToolError(f"unknown unit {unit!r}: use one of {listed}")
    return found
