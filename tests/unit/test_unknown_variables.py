# SPDX-License-Identifier: GPL-3.0-or-later
from ansible_collections.baremetal.bigdata.plugins.filter.unknown_variables import unknown_variables

KNOWN = ["app_cluster", "app_state"]


def test_known_names_and_the_sites_own_are_taken():
    assert unknown_variables(["app_state", "app_cluster", "app_team"], KNOWN, own=["app_te*"]) == []


def test_an_unknown_name_is_said_with_the_nearest():
    assert unknown_variables(["app_sate", "app_xyzzy"], KNOWN) == [
        "app_sate: expected a variable that the playbook knows, one of app_cluster, app_state. Did you mean app_state?"
        " If the name is the site's own, add it to preflight_own_variables.",
        "app_xyzzy: expected a variable that the playbook knows, one of app_cluster, app_state. Remove or rename it."
        " If the name is the site's own, add it to preflight_own_variables.",
    ]
