# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a member is asked who it is, and who it is by its answer. Pure."""

from __future__ import annotations

import re
import typing as t

from ...kube.answer import name
from ...kube.question import Question
from ..contract import LiveQuestion


class Probe(t.NamedTuple):
    """How to ask a member for its live role."""

    question: Question
    match: t.Pattern[str] | None = None
    names: t.Mapping[str, str] = {}

    @classmethod
    def of(cls, live: LiveQuestion) -> Probe:
        """The probe of a role's contract."""
        return cls(live.question, re.compile(live.match, re.MULTILINE) if live.match else None, live.names)

    def live_role(self, answer: str) -> str:
        """The live role in an answer: the match's first group or the whole match, translated.

        Without *match* the whole answer. Empty where there is none, or where that is no name.
        """
        found = answer
        if self.match is not None:
            match = self.match.search(answer)
            if not match:
                return ""
            found = (match.group(1) if self.match.groups else match.group(0)) or ""
        found = name(found)
        return self.names.get(found, found)
