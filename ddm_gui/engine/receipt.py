"""What became of a photo in the file that was written for it, as far as the file itself says when it is read again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Receipt:
    """`depth`: how values are stored, in words. `kept`: what is in the file as it was; `lost`: what is not, and why;
    `taken`: private data that was left out as asked. `tags_kept` of `tags` EXIF tags, or cards of FITS, are equal.
    `exact`: the file gives back the pixels that were to be written (of JPEG: as many of them).
    """

    depth: str
    tags: int = 0
    tags_kept: int = 0
    kept: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    exact: bool = True

    @property
    def whole(self) -> bool:
        """Whether nothing was lost."""
        return self.exact and not self.lost and self.tags_kept == self.tags

    def __str__(self) -> str:
        """One line: '16-bit, Adobe RGB (1998) kept, 41 of 41 tags, alpha kept'."""
        words = [self.depth] + [f"{name} kept" for name in self.kept]
        if self.tags:
            words.append(f"{self.tags_kept} of {self.tags} tags")
        if not self.exact:
            words.append("the pixels in the file are not those that were written")
        line = ", ".join(words)
        if self.taken:
            line += f"; taken out: {', '.join(self.taken)}"
        if self.lost:
            line += f"; not kept: {'; '.join(self.lost)}"
        return line
