"""The starter: an encoder for fashion catalogues."""
