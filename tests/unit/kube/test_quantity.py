# SPDX-License-Identifier: GPL-3.0-or-later
"""Quantities as Kubernetes reads them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from ansible_collections.baremetal.bigdata.plugins.module_utils.kube.quantity import quantity, same
from hypothesis import given
from hypothesis import strategies as st

SUFFIXES = {"n": -3, "u": -2, "m": -1, "": 0, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("2", 2), ("500m", Fraction(1, 2)), ("1.5Gi", 3 * 2**29), (".5", Fraction(1, 2)), ("5.", 5),
        ("+1", 1),        ("1e3", 1000), ("1E3", 1000), ("1E", 10**18), ("1Ei", 2**60), ("12e-1", Fraction(6, 5)),
    ],
)  # fmt: skip
def test_a_quantity_has_an_exact_value(text, value):
    assert quantity(text) == value


@pytest.mark.parametrize(
    "text", ["", " ", "1 Gi", "1GB", "1K", "-1", "Gi", ".", "1e", "1i", "0x10", "1_000", "1,5", "1e9999", "\u0661"]
)
def test_what_kubernetes_does_not_read_is_none(text):
    assert quantity(text) is None
    assert not same(text, text)


@given(st.integers(0, 10**12), st.integers(0, 999), st.sampled_from(sorted(SUFFIXES)))
def test_decimal_suffixes_are_powers_of_a_thousand(whole, thousandths, suffix):
    expected = (whole + Fraction(thousandths, 1000)) * Fraction(1000) ** SUFFIXES[suffix]
    assert quantity(f"{whole}.{thousandths:03d}{suffix}") == expected


@given(st.integers(0, 10**6), st.sampled_from("KMGTPE"))
def test_binary_suffixes_are_powers_of_1024(number, letter):
    text, plain = f"{number}{letter}i", str(number * 1024 ** ("KMGTPE".index(letter) + 1))
    assert quantity(text) == int(plain)
    assert same(text, plain)
