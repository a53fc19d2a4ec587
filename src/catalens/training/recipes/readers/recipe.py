"""Hyperparameters of the two readers, and the kinds of questions they are trained on."""

from catalens.training.reader_trainer import ReaderRecipe

RECIPES = {
    "everyday": ReaderRecipe(),
    "starter": ReaderRecipe(
        epochs=4, captions=1, questions=4, batch=96, depth=2, vocabulary=2500, rate=8e-4, dropout=0.1
    ),
}
EVERYDAY_KINDS = ("inside", "people", "animal", "place", "colour", "doing", "thing")
PRODUCT_KINDS = ("type", "colour", "gender", "pattern", "sleeve_length", "neck")
