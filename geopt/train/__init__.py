"""Training: one loop for every model that has the methods of :class:`geopt.train.protocol.Pretrainable`."""
