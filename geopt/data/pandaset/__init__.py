"""PandaSet: frames of two lidars, in pickles that are read without running them."""

from geopt.data.pandaset.dataset import PandaSet

__all__ = ["PandaSet"]
