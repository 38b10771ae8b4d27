"""What tests of heads share."""

import pytest
import torch


@pytest.fixture
def one_thread():
    """Small maps are learned faster so: threads that meet after every layer cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
