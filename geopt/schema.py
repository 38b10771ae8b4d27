"""The base of every config: unknown keys are errors and nothing changes after loading."""

from __future__ import annotations

import pydantic


class Frozen(pydantic.BaseModel):
    """A config that refuses unknown keys and cannot be changed; derive from it beside what it configures."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
