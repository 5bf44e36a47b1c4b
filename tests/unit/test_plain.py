# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import copy
from collections import UserDict

from ansible_collections.baremetal.bigdata.plugins.module_utils.plain import copied
from hypothesis import given
from hypothesis import strategies as st

DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(DATA)
def test_a_copy_is_the_same_and_shares_nothing(data):
    kept = copy.deepcopy(data)
    found = copied(data)
    assert found == data
    spoil(found)
    assert data == kept


def spoil(value):
    for item in list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ():
        spoil(item)
    if isinstance(value, (dict, list)):
        value.clear()


class Lazy(UserDict):
    """As Ansible's, which carry what they are templated with."""

    def __deepcopy__(self, memo):
        raise AssertionError("its templates are copied")


def test_other_mappings_become_plain_ones():
    found = copied(Lazy(a=Lazy(b=(1, 2))))
    assert repr(found) == "{'a': {'b': [1, 2]}}"
    assert {type(found), type(found["a"])} == {dict}
