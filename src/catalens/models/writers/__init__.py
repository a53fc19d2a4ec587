"""Writers: language models that follow an instruction, on a server, at Amazon Bedrock or in a local folder."""

from catalens.models.writers.loading import load_writer

__all__ = ["load_writer"]
