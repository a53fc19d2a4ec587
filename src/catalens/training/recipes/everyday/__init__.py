"""The everyday encoder: a head over a frozen ImageNet tower, and a text tower."""
