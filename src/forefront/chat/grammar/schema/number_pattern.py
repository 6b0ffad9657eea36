"""Regular expressions for JSON numbers within bounds."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

# Digits are bounded, as are exponents: every parser reads such a number as a finite one.
INTEGER: Final = "-?(?:0|[1-9][0-9]{0,39})"
_DECIMAL: Final = r"-?(?:0|[1-9][0-9]{0,39})(?:\.[0-9]{1,40})?"
NUMBER: Final = _DECIMAL + "(?:[eE][+-]?[0-9]{1,2})?"
_PLAIN: Final = "(?:0|[1-9][0-9]*)"
_FRACTION: Final = r"(?:\.[0-9]+)?"


def integer_at_least(bound: Decimal, *, exclusive: bool) -> str:
    """Integers that are not below `bound`."""
    low = int(bound.to_integral_value(ROUND_CEILING))
    low += exclusive and low == bound
    if low <= 0:
        return f"{_PLAIN}|-(?:{_up_to(-low)})" if low else _PLAIN
    return _from(low)


def integer_at_most(bound: Decimal, *, exclusive: bool) -> str:
    """Integers that are not above `bound`."""
    high = int(bound.to_integral_value(ROUND_FLOOR))
    high -= exclusive and high == bound
    if high >= 0:
        return f"-[1-9][0-9]*|{_up_to(high)}"
    return f"-(?:{_from(-high)})"


def number_at_least(bound: Decimal, *, exclusive: bool) -> str:
    """Decimal numbers, without an exponent, that are not below `bound`."""
    if bound > 0:
        return _decimal_from(bound, exclusive)
    if bound == 0:
        return _decimal_from(bound, exclusive) if exclusive else f"{_PLAIN}{_FRACTION}"
    return f"{_PLAIN}{_FRACTION}|-(?:{_decimal_up_to(-bound, exclusive)})"


def number_at_most(bound: Decimal, *, exclusive: bool) -> str:
    """Decimal numbers, without an exponent, that are not above `bound`."""
    if bound < 0:
        return f"-(?:{_decimal_from(-bound, exclusive)})"
    negative = f"-(?:{_decimal_from(Decimal(0), exclusive=True)})"
    if bound == 0 and exclusive:
        return negative
    return f"{negative}|{_decimal_up_to(bound, exclusive)}"


def _from(low: int) -> str:
    """Integers from `low` (1 or more) on."""
    digits = str(low)
    options = [f"[1-9][0-9]{{{len(digits)},}}", digits]
    for place, digit in enumerate(digits):
        if digit != "9":
            options.append(f"{digits[:place]}[{int(digit) + 1}-9][0-9]{{{len(digits) - place - 1}}}")
    return "|".join(options)


def _up_to(high: int) -> str:
    """Integers from 0 to `high`."""
    digits = str(high)
    options = [digits]
    if len(digits) > 1:
        options.append(f"0|[1-9][0-9]{{0,{len(digits) - 2}}}")
    for place, digit in enumerate(digits):
        lowest = 1 if place == 0 and len(digits) > 1 else 0
        if int(digit) > lowest:
            options.append(f"{digits[:place]}[{lowest}-{int(digit) - 1}][0-9]{{{len(digits) - place - 1}}}")
    return "|".join(options)


def _decimal_from(low: Decimal, exclusive: bool) -> str:
    """Decimals from `low` (0 or more) on."""
    whole, fraction = _parts(low)
    options = [f"(?:{_from(whole + 1)}){_FRACTION}"]
    if not fraction:
        options.append(str(whole) + (r"\.[0-9]*[1-9][0-9]*" if exclusive else _FRACTION))
        return "|".join(options)
    after = "[0-9]*[1-9][0-9]*" if exclusive else "[0-9]*"
    digits = [fraction + after]
    for place, digit in enumerate(fraction):
        if digit != "9":
            digits.append(f"{fraction[:place]}[{int(digit) + 1}-9][0-9]*")
    return "|".join([*options, f"{whole}[.](?:{'|'.join(digits)})"])


def _decimal_up_to(high: Decimal, exclusive: bool) -> str:
    """Decimals from 0 to `high`."""
    whole, fraction = _parts(high)
    options = [f"(?:{_up_to(whole - 1)}){_FRACTION}"] if whole else []
    if not fraction:
        options += [] if exclusive else [f"{whole}(?:[.]0+)?"]
        return "|".join(options)
    digits = [] if exclusive else [fraction + "0*"]
    for place, digit in enumerate(fraction):
        if place:
            digits.append(fraction[:place])
        if digit != "0":
            digits.append(f"{fraction[:place]}[0-{int(digit) - 1}][0-9]*")
    return "|".join([*options, f"{whole}(?:[.](?:{'|'.join(digits)}))?"])


def _parts(value: Decimal) -> tuple[int, str]:
    """The whole part, and the digits of the fraction without zeros at the end."""
    whole, _, fraction = f"{value:f}".partition(".")
    return int(whole), fraction.rstrip("0")
