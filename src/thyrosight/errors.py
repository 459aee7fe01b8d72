"""Errors for the user: the message states what is wrong, where, and the fix.

The command line prints them as one line without a traceback. Any other exception that escapes is a bug of ours.
"""

from __future__ import annotations


class ThyrosightError(Exception):
    """Base of all errors for the user."""


class InputError(ThyrosightError):
    """An input file, folder or table can't be used; the message names it and the fix."""


class ConfigError(ThyrosightError):
    """A configuration is wrong; the message names the setting and the known ones."""


class BundleError(ThyrosightError):
    """A model bundle is damaged, of an unknown format, or unsafe to load."""


class MissingExtraError(ThyrosightError):
    """An optional part is not installed; the message gives the pip command."""
