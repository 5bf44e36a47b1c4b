# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that are printed arrive as they were meant."""

from __future__ import annotations

import shlex

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.parsing.splitter import parse_kv
from ansible_collections.baremetal.bigdata.plugins.filter.command_line import command_line
from hypothesis import given
from hypothesis import strategies as st


def test_a_plain_command():
    found = command_line("baremetal.bigdata.reset", ["inventories/site"], {"reset_confirm": 2024})
    assert found == "ansible-playbook -i inventories/site baremetal.bigdata.reset -e reset_confirm=2024"


@pytest.mark.parametrize("name", ["Site A", "a;reboot", "it's", "x(1)", "a*", "$HOME", "", "a=b", '"'])
def test_odd_names_are_quoted(name):
    words = shlex.split(command_line("p", ["my site"], {"reset_confirm": name}))
    assert words[:4] == ["ansible-playbook", "-i", "my site", "p"]
    assert DataLoader().load(words[5]) == {"reset_confirm": name}


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_a_value_arrives_as_it_is(value):
    option = shlex.split(command_line("p", extra={"name": value}))[-1]
    read = DataLoader().load(option) if option.startswith("{") else parse_kv(option)
    assert read == {"name": value}
