"""The interfaces that plugins implement, one module each.

Import them from the top level, ``from stylezoo import Backbone``: that is the public name.
"""
