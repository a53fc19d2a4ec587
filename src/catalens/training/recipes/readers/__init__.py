"""The readers of the starter and of the everyday encoder: captions and answers from frozen features."""
