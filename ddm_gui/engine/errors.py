"""The one kind of error that a person can mend; anything else that is raised is a bug."""

from __future__ import annotations


class UserError(Exception):
    """What happened, why, and what to do about it: three plain sentences for a person.

    The window shows them as a dialog, the command line prints them and exits with code 2.
    """

    def __init__(self, what: str, why: str = "", todo: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.todo = todo

    @property
    def reason(self) -> str:
        """Why, and what to do: for lists that name what happened themselves."""
        return " ".join(part for part in (self.why, self.todo) if part) or self.what

    def __str__(self) -> str:
        return " ".join(part for part in (self.what, self.why, self.todo) if part)
