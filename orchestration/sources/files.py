"""Files that agencies leave for collection: in a folder, on SFTP, FTP or S3.

Purpose: find the complete ones, date them, make deliveries of them oldest first, put them away after the receipt or remember
them. Belongs here: grouping, what becomes of a file that cannot be used. Stays out: places (`places`), names
(`file_names`), what was taken (`taken`), formats (`batch` knows their parsers).

A file is a delivery of its own where the glob can name only one of a date; otherwise all files of one date are one delivery,
a tar of the original files (`batch`). Batches and files from the net are first written to a file without a name (in TMPDIR),
so that nothing of the net can break or hang in the middle of a transaction. A file that cannot be used is left out, stays
where it is, and is told after the others.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import IO, BinaryIO, cast

from orchestration.contracts.model import Contract
from orchestration.errors import KhoError, Transient
from orchestration.sources.batch import headers_of, original_files, read_through
from orchestration.sources.csv_file import HEAD, described
from orchestration.sources.delivery import CHUNK, LOCAL, Delivery, Seen, copy_columns
from orchestration.sources.file_names import Named, NamePattern
from orchestration.sources.members import spooled, tar_end, tar_header, tar_padding
from orchestration.sources.places import SECOND, Found, is_folder, open_place, refused_link
from orchestration.sources.taken import EXACT, Taken

STATION_FILES = 20_000  # files of stations in one delivery
STATIONS_EXACT = 2_000  # of them that the cursor knows one by one: it is written every few minutes
PROBED = 20  # files that a probe looks into
TOLD = 20  # failures that are told one by one
Look = Callable[[Contract, BinaryIO, str, Mapping[str, str]], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Dated:
    """A file, its as-of time, and what else its name says."""

    as_of: datetime
    found: Found
    values: Mapping[str, str]


def open_files(contract: Contract, cursor: str | None, env: Mapping[str, str]) -> Iterator[Delivery]:
    """A delivery for each file, or for all files of a date (see the module), oldest first.

    `cursor` is that of the last delivery where files are left in place. Files that cannot be used are told together at the
    end. Transient as soon as the place is out of reach.
    """
    collection = _Collection(contract, cursor, env)
    try:
        yield from collection.deliveries()
    finally:
        collection.place.close()


def probe_files(contract: Contract, env: Mapping[str, str]) -> list[str]:
    """What lies there and whether its columns are the contract's; a line a file, of the oldest ones."""
    collection = _Collection(contract, None, env)
    try:
        return collection.probe()
    finally:
        collection.place.close()


class _Collection:
    """One visit to one place."""

    def __init__(self, contract: Contract, cursor: str | None, env: Mapping[str, str]) -> None:
        options = contract.source.options
        self.contract, self.format = contract, options["format"]
        self.pattern = NamePattern(options["glob"])
        self.is_stations = self.format == "stations"
        self.is_batch = self.pattern.is_many or self.is_stations or "member" in options
        self.leaves = options.get("after", "move" if is_folder(contract, env) else "leave") == "leave"
        self.taken = Taken(cursor if self.leaves else None, STATIONS_EXACT if self.is_stations else EXACT)
        if self.is_stations:
            from orchestration.sources.stations import check_stations

            check_stations(contract, self.pattern.columns)
        self.there: list[Found] = []
        self.failures: list[KhoError] = []
        self.place = open_place(contract, env)

    def deliveries(self) -> Iterator[Delivery]:
        self._list()
        self.taken.look(self.there)
        waiting = [file for file in self.there if not self.leaves or not self.taken.has(file)]
        dated = list(self._dated(self.place.settled(waiting)))
        for group in self._groups(dated):
            self.place.revive()
            delivery, files = self._batch(group) if self.is_batch else self._single(group[0])
            if delivery is None:
                continue
            delivery.done = self._done(files)
            if self.leaves:
                delivery.cursor_after = self._cursor_after(files)
            yield delivery
        self._raise_failures()

    def probe(self) -> list[str]:
        remote = "kết nối và " if not self.place.is_local else ""
        where = f"Thư mục {self.contract.source.location}: {remote}đọc được"
        self._list()
        dated = sorted(self._dated(self.place.settled(self.there)), key=_order)
        lines = [where]
        for file in [] if self.is_stations else dated[:PROBED]:
            with spooled(self.place.read(file.found)) as content:
                extra = self._titles(file, content, headers_of)
            more = f"; cột ngoài hợp đồng: {', '.join(extra)}" if extra else ""
            count = len(self.contract.columns)
            lines.append(Seen(f"{file.found.shown}: ngày {file.as_of:%d/%m/%Y}, đủ {count} cột{more}"))
        if len(dated) > len(lines) - 1:
            total = f"Tổng cộng {len(dated)} tệp theo mẫu {self.pattern.glob}"
            lines.append(Seen(total) if self.is_stations else total)  # the columns of stations are the same everywhere
        self._raise_failures()
        return lines if dated else [where, f"Chưa có tệp nào theo mẫu {self.pattern.glob}"]

    def _list(self) -> None:
        self.there = self.place.files(self.pattern.segments)
        self.failures += [refused_link(path) for path in self.place.links]

    # -- which files are one delivery ---------------------------------------------------------------------------------------

    def _dated(self, files: Iterable[Found]) -> Iterator[Dated]:
        for file in files:
            try:
                named = self.pattern.read(file.shown)
            except KhoError as failure:
                self.failures.append(failure)
                continue
            yield self._date(file, named)

    def _date(self, file: Found, named: Named) -> Dated:
        as_of = named.as_of or datetime.fromtimestamp(file.mtime // SECOND, LOCAL)
        return Dated(as_of, file, named.values)

    def _groups(self, files: list[Dated]) -> Iterator[list[Dated]]:
        if self.is_stations:
            # As they came: a logger sends late what it could not send before.
            files.sort(key=lambda file: (file.found.mtime, file.found.path))
            for start in range(0, len(files), STATION_FILES):
                yield files[start : start + STATION_FILES]
            return
        files.sort(key=_order)
        for _, group in groupby(files, key=lambda f: f.as_of.date() if self.pattern.is_many else f.found.path):
            yield list(group)

    def _is_partial(self, group: list[Dated], failed: bool) -> bool:
        """Whether files of the date are missing here, so that what is not in it is not gone."""
        if self.contract.partition is not None or self.is_stations:
            return False
        if failed:
            return True
        if not (self.leaves and self.pattern.is_many):
            return False
        earlier = (file for file in self.there if self.taken.has(file))
        return any(self._date(f, self.pattern.read(f.shown)).as_of.date() == group[0].as_of.date() for f in earlier)

    # -- one file ------------------------------------------------------------------------------------------------------------

    def _single(self, file: Dated) -> tuple[Delivery | None, list[Found]]:
        """A file as a delivery of its own; None when it cannot be used."""
        found, name = file.found, file.found.shown
        try:
            if self.format == "csv" and self.place.is_local:
                # COPY reads it from where it is.
                delivery = described(self.contract, self._head(found), name, file.as_of)
                delivery.sha256 = _digest(self.place.read(found))
                delivery.chunks = self.place.read(found)
                return delivery, [found]
            content = spooled(self.place.read(found))
            try:
                if self.format == "csv":
                    delivery = described(self.contract, content.read(HEAD), name, file.as_of)
                else:
                    extra = self._titles(file, content, headers_of)
                    delivery = Delivery(name, file.as_of, self.format, (), copy_columns(self.contract, extra), extra)
            except BaseException:
                content.close()
                raise
        except KhoError as failure:
            self._keep_or_raise(failure)
            return None, []
        delivery.sha256 = _digest(_blocks(content, closes=False))
        delivery.chunks = _blocks(content)
        return delivery, [found]

    def _head(self, found: Found) -> bytes:
        blocks = self.place.read(found)
        try:
            return next(blocks, b"")[:HEAD]
        finally:
            blocks.close()

    # -- several files -------------------------------------------------------------------------------------------------------

    def _batch(self, group: list[Dated]) -> tuple[Delivery | None, list[Found]]:
        """Files as one tar, those that cannot be used left out; None when none can be used."""
        tar: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - its chunks close it
        digest = hashlib.sha256()

        def write(data: bytes) -> None:
            digest.update(data)
            tar.write(data)

        extra: dict[str, None] = {}
        used: list[Dated] = []
        try:
            for file in group:
                titles = self._add(file, write)
                if titles is not None:
                    used.append(file)
                    extra.update(dict.fromkeys(titles))
        except BaseException:
            tar.close()
            raise
        if not used:
            tar.close()
            return None, []
        write(tar_end())
        as_of = max(file.as_of for file in used)
        name = self.pattern.of_day(f"{as_of:%Y%m%d}") if self.pattern.is_many else used[0].found.shown
        delivery = Delivery(
            name, as_of, "batch", _blocks(tar), (), extra=tuple(extra), sha256=digest.hexdigest(),
            partial=self._is_partial(group, len(used) < len(group)), parts=self._parts(used),
        )  # fmt: skip
        return delivery, [file.found for file in used]

    def _parts(self, used: list[Dated]) -> tuple[str, ...]:
        """Of which values of the contract's partition column these files are the whole, as far as their names say."""
        partition = self.contract.partition
        return tuple(sorted({file.values[partition] for file in used if partition in file.values})) if partition else ()

    def _add(self, file: Dated, write: Callable[[bytes], None]) -> tuple[str, ...] | None:
        """Write a file into the tar, and say which columns of it the contract lacks; None when it cannot be used."""
        found = file.found
        try:
            if self.is_stations and "member" not in self.contract.source.options and found.size <= CHUNK:
                data = b"".join(self.place.read(found))  # thousands of them, with nothing to look at beforehand
                write(tar_header(found.shown, len(data), found.mtime // SECOND) + data + tar_padding(len(data)))
                return ()
            content = spooled(self.place.read(found))
        except KhoError as failure:
            self._keep_or_raise(failure)
            return None
        with content:
            try:
                # To the end: what cannot be read may hold up itself only, not the others of its day.
                extra = self._titles(file, content, read_through)
            except KhoError as failure:
                self._keep_or_raise(failure)
                return None
            write(tar_header(found.shown, found.size, found.mtime // SECOND))
            for block in _blocks(content, closes=False):
                write(block)
            write(tar_padding(found.size))
        return extra

    def _titles(self, file: Dated, content: IO[bytes], look: Look) -> tuple[str, ...]:
        """Look whether a file, or every member of a zip, can be read; what columns there are beside the contract's."""
        extra: dict[str, None] = {}
        content.seek(0)
        stream = cast(BinaryIO, content)
        for name, values, inner in original_files(self.contract, stream, file.found.shown, file.values):
            if not self.is_stations:
                extra.update(dict.fromkeys(look(self.contract, inner, name, values)))
        return tuple(extra)

    # -- what becomes of them ------------------------------------------------------------------------------------------------

    def _done(self, files: list[Found]) -> Callable[[], None]:
        """What follows the receipt: files are remembered as taken, or moved away."""

        def done() -> None:
            if self.leaves:
                self.taken.add(files)
                return
            self.place.revive()
            failures = []
            for file in files:
                try:
                    self.place.put_away(file)
                except KhoError as failure:
                    failures.append(failure)
            _raise_together(failures)

        return done

    def _cursor_after(self, files: list[Found]) -> Callable[[], str]:
        """The cursor once these are landed; what was landed before is in it, what was not is not."""

        return lambda: self.taken.cursor(files)

    def _keep_or_raise(self, failure: KhoError) -> None:
        """A failure of one file is told after the others; one of the place ends the visit."""
        if failure.code == "source_down":
            raise failure
        self.failures.append(failure)

    def _raise_failures(self) -> None:
        _raise_together(self.failures)


def _order(file: Dated) -> tuple[datetime, str]:
    return file.as_of, file.found.shown


def _blocks(content: IO[bytes], *, closes: bool = True) -> Iterator[bytes]:
    """A file from its beginning; closed at its end, or when nobody wants more of it."""
    try:
        content.seek(0)
        while block := content.read(CHUNK):
            yield block
    finally:
        if closes:
            content.close()


def _digest(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()


def _raise_together(failures: list[KhoError]) -> None:
    """One error for all, if there are any; it may pass by itself only if all of them may."""
    if not failures:
        return
    first, more = failures[0], len(failures) - TOLD
    kind = Transient if all(failure.transient for failure in failures) else KhoError
    raise kind(
        first.code,
        "; ".join(failure.vi for failure in failures[:TOLD]) + (f"; và {more} tệp khác" if more > 0 else ""),
        "; ".join(failure.en for failure in failures[:TOLD]) + (f"; and {more} more files" if more > 0 else ""),
        first.where,
    )
