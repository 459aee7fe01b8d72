"""What went wrong, where, and the mend: the errors that a user is meant to read.

Anything else that escapes is a bug of ours; the command line prints these as one line without a traceback.
"""

from __future__ import annotations


class ThyrosightError(Exception):
    """Base of every error whose message is written for the user."""


class InputError(ThyrosightError):
    """An input file, folder or table can't be used; the message names it and the mend."""


class ConfigError(ThyrosightError):
    """A configuration is wrong; the message names the key and what is known there."""


class BundleError(ThyrosightError):
    """A model bundle is damaged, unknown or unsafe to load."""


class MissingExtraError(ThyrosightError):
    """An optional part is not installed; the message gives the pip command."""
