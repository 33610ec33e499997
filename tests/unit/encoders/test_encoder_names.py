"""The list of encoders is that of the installed libraries, and a wrong name is met with near ones."""

import pytest

from scan2seg.encoders.names import check_name, list_installed, read_names
from scan2seg.errors import InputError


def test_the_list_is_what_is_installed() -> None:
    assert list(read_names()) == list_installed(), "run python -m scan2seg.encoders.names"


def test_a_tag_of_weights_is_part_of_a_name_and_a_wrong_name_is_met_with_near_ones() -> None:
    assert check_name("tu-resnet50.a1_in1k") == "tu-resnet50.a1_in1k"
    with pytest.raises(InputError, match=r"did you mean one of .*resnet34"):
        check_name("resnet35")
