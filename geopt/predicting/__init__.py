"""Predictions of fine-tuned models: official submissions of a data set, or boxes and labels of plain scans."""

from geopt.predicting.config import PredictConfig, load
from geopt.predicting.scans import predict_scans
from geopt.predicting.submissions import predict

__all__ = ["PredictConfig", "load", "predict", "predict_scans"]
