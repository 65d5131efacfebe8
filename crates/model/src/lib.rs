//! Nothing: the model is a test, `tests/search/`. It has a package of its own because it alone must be optimised.
