# The compiled half of geopt.evaluation, csrc/host/.
from typing import Any

def __getattr__(name: str) -> Any: ...
