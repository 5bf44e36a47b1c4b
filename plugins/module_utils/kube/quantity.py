# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes quantities, such as ``500m`` or ``1.5Gi``: read in one place, as exact numbers. Pure functions.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
"""

from __future__ import annotations

import re
from fractions import Fraction

# Not negative: no amount of anything is. Of more digits Python reads no number, and Kubernetes none that differs.
PATTERN = r"\+?([0-9]{1,60}\.?[0-9]{0,60}|\.[0-9]{1,60})(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][-+]?[0-9]{1,3})?"
_QUANTITY = re.compile(PATTERN)
_SUFFIXES = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)}
_SUFFIXES.update({letter: Fraction(1000 ** (power + 1)) for power, letter in enumerate("kMGTPE")})
_SUFFIXES.update({letter + "i": Fraction(1024 ** (power + 1)) for power, letter in enumerate("KMGTPE")})


def quantity(text: str) -> Fraction | None:
    """The value of a quantity, or None if *text* is none."""
    match = _QUANTITY.fullmatch(text)
    if not match:
        return None
    number, suffix = Fraction(match.group(1)), match.group(2) or ""
    if suffix in _SUFFIXES:
        return number * _SUFFIXES[suffix]
    return number * Fraction(10) ** int(suffix[1:])


def same(one: str, other: str) -> bool:
    """Whether two texts are quantities of one value: the API server writes 1024Mi as 1Gi."""
    value = quantity(one)
    return value is not None and value == quantity(other)
