"""What an evaluator says about predictions that it does not score."""

from __future__ import annotations


class SubmissionError(ValueError):
    """The official evaluator refuses these predictions; the message names the box or sample and what to do."""
