"""No failure that is known from practice is left out: each that is an agency's is shown by a test."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from simulator.national.modes import AGENCY_MODES

HERE = Path(__file__).parent
#: Failure mode of the agencies -> the tests in which it really happens.
SHOWN = {
    "lost_errors": "test_views_public_services.py::test_what_could_not_be_sent_is_in_a_file_that_is_overwritten",
    "coarse_status": "test_views_public_services.py::test_the_status_of_one_system_is_coarsened_before_sending",
    "internal_links": "test_views_public_services.py::test_some_links_lead_inside_the_office",
    "local_procedure": "test_views_public_services.py::test_unmapped_procedures_are_sent_under_their_local_code",
    "old_commune": "test_views_public_services.py::test_commune_codes_of_an_earlier_epoch_are_delivered",
    "out_of_order": "test_views_public_services.py::test_some_steps_arrive_behind_later_ones",
    "resent_files": "test_system_files.py::test_files_of_an_outage_come_later_in_order_and_some_come_twice",
    "template_version": "test_views_public_services.py::test_templates_change_their_version",
    "late_correction": "test_views_public_services.py::test_a_closed_month_is_corrected_late",
    "rekeyed": "test_views_public_services.py::test_numbers_met_in_the_feed_until_they_were_made_anew",
    "clock": "test_province_smart_city.py::test_some_devices_keep_utc_and_do_not_say_so",
    "nested_xml": "test_system_xml130.py::test_every_visit_is_in_one_package_of_its_facility_and_day",
    "lgsp_and_excel": "test_views_public_services.py::test_the_same_is_delivered_over_the_lgsp_and_in_workbooks",
}


def test_every_failure_of_the_agencies_is_shown() -> None:
    assert set(SHOWN) == set(AGENCY_MODES)


@pytest.mark.parametrize("mode", AGENCY_MODES)
def test_it_is_shown_by_a_test(mode: str) -> None:
    file, _, name = SHOWN[mode].partition("::")
    tree = ast.parse((HERE / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
