# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of members that configure themselves from a config package, for whoever renders such members."""

from __future__ import annotations

from pathlib import Path

DIRECTORY = Path(__file__).parent / "agent"
# Not in the file: ansible-test knows no such first line.
PYTHON = "#!/usr/bin/env python3\n"


def agent_programs() -> dict[str, str]:
    """The agent ``configure``, and ``configcli``, by which start scripts read configmeta.json: name -> text."""
    return {
        "configure": (DIRECTORY / "configure.sh").read_text(encoding="utf-8"),
        "configcli": PYTHON + (DIRECTORY / "configcli.py").read_text(encoding="utf-8"),
    }
