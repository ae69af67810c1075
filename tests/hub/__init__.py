"""A Hugging Face Hub on this machine, for tests: see ``tests.hub.server``."""
