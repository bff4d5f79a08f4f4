"""Training of the models that ship: the network of the default extraction engine, and the English quality model."""
