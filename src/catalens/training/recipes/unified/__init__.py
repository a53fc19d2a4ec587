"""One encoder for products and everyday pictures, over a frozen EfficientNet-Lite0 and the starter."""
