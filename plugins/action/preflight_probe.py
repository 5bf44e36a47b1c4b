# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the preflight_probe module and notes the controller's clock before and after it."""

from __future__ import annotations

import time
from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """The host's clock can only be compared with the controller's by who sees both."""

    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result = super().run(tmp, task_vars)
        before = time.time()
        answer = self._execute_module(task_vars=task_vars)
        after = time.time()
        if isinstance(answer.get("facts"), dict):
            answer["facts"]["controller"] = {"before": before, "after": after}
        # The arguments (a certificate, thresholds) need not be shown again.
        answer.pop("invocation", None)
        return {**result, **answer}
