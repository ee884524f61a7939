"""The laws that a family of components obeys, as a suite that its author runs: `check_family`.

`components` holds the laws of one E-step and one M-step, `fits` those of whole fits, `suite` runs them all. A law is a
function of a `Subject` and a random generator; it raises AssertionError where the family breaks it, and `Skipped` where
it says nothing of the family. The package's own tests are the same functions over its own families.
No room of the package imports this one, and nothing here needs pytest.
"""

from fastem.testing.subject import Skipped, Subject
from fastem.testing.suite import LAWS, Report, check_family

__all__ = ["LAWS", "Report", "Skipped", "Subject", "check_family"]
