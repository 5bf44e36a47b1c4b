# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with an API server."""

from __future__ import annotations


class KubeApiError(Exception):
    """What went wrong, where, and what to do. ``status`` is the HTTP status, 0 where there was no answer."""

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ConnectionLost(KubeApiError):
    """The server could not be reached or went away. Asking again later may succeed."""


class NoKubeconfig(KubeApiError):
    """There is no kubeconfig where one was looked for: there may be no cluster yet."""


class Expired(KubeApiError):
    """410 Gone: the resource version or the continue token is older than the history. List again."""
