"""Values, errors, protocols, picture reading and vector arithmetic: numpy and Pillow only."""
