# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of a member that configures itself, for a file system that begins elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from ansible_collections.baremetal.bigdata.plugins.plugin_utils.guest_agent import agent_programs

# The directories that the programs name, and what they take from others: a file: URL, the path of an injected file.
PLACES = re.compile(
    r"(?<![\w.])/(?=(?:etc|opt|var/log)/guestconfig\b|usr/local/bin$|run/baremetal-bigdata\b)"
    r"|(?<=\bsource=)(?=\$\{source#localhost\})|(?<=\bpath=)(?=\$3)",
    re.MULTILINE,
)


def rooted(name: str, root: Path) -> str:
    """The program ``configure`` or ``configcli`` with *root* as the beginning of its file system."""
    text = agent_programs()[name]
    return PLACES.sub(lambda found: f"{root}{found.group()}", text)
