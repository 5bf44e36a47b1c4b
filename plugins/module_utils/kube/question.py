# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A question to a member of an app."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """What a member is asked: a command in its container, or a GET on a port, whose answer may be a field of JSON."""

    command: tuple[str, ...] = ()
    port: int = 0
    path: str = "/"
    json: str = ""
    scheme: str = ""
