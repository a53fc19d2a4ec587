"""`catalens finetune`: models adapted to a catalogue of one's own."""

from __future__ import annotations

from catalens.cli import finetune_answers, finetune_encoder, finetune_prepare, finetune_starter
from catalens.cli.commands import command_group
from catalens.cli.finetune_job import JobGroup

group = command_group(
    "Fine-tune a model on your own catalogue. In a SageMaker training job, hyperparameters are the options.",
    "catalens finetune starter products.csv --labels category --out shop",
    commands=(finetune_starter.starter, finetune_prepare.prepare, finetune_answers.answers, finetune_encoder.encoder),
    kind=JobGroup,
)
