# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules say alike of check mode, of differences and of the systems that they run on."""

from __future__ import annotations


class ModuleDocFragment:
    DRY_RUN = r"""
attributes:
  check_mode:
    description: The API server's dry run. Where no API server answers, says so and changes nothing.
    support: full
"""

    READS_ONLY = r"""
attributes:
  check_mode:
    description: Only reads, also in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: none
"""

    NO_DIFFERENCE = r"""
attributes:
  diff_mode:
    description: Shows no difference.
    support: none
"""

    POSIX = r"""
attributes:
  platform:
    description: The systems that it runs on.
    platforms: posix
    support: full
"""
