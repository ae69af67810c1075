"""What a plugin implements: one module an interface.

Import them from the top, ``from stylezoo import Backbone``: that name is the public one.
"""
