"""A local Hugging Face Hub for tests: see ``tests.hub.server``."""
