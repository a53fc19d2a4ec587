"""Catalens on other people's servers: bundles for SageMaker and DJL Serving, and the calls to AWS that run them."""
