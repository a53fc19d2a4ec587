"""Tools that train, measure and export models; `recipes` holds what was run with them."""
