"""Members from outside the package, beside its own registries: from a user's file, or from an installed package.

A file, named by --members FILE, sets MEMBERS: kind of member -> name -> member, as the registries of the package do:

    MEMBERS = {"mask": {"checkerboard": Member(Checkerboard, (CENTRE,))}}

A space says "checkerboard". In a config, and so in its key, its record and the report, the member is called
checkerboard@HASH, where HASH are the first 12 digits of the SHA-256 of the file: a changed file is another member. The
text of the file travels to every worker with its trials. Nothing of it is kept in a run folder, and nothing is ever
loaded from one: who continues or evaluates a run names the file again.

An installed package names its members as entry points of the group tune_ks.members, called KIND.NAME:

    [project.entry-points."tune_ks.members"]
    "mask.checkerboard" = "my_masks:CHECKERBOARD"

Such a member is called checkerboard@PACKAGE-VERSION. Every node of a cluster must have the package installed.
"""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tune_ks.core.config import digest

LARGEST = 2**20  # bytes of a file: its text is sent with every trial
GROUP = "tune_ks.members"  # of entry points
KINDS = (  # of members: whose registries may be added to
    *("transform", "mask", "reconstruction", "classifier", "segmenter", "detector", "task", "augment"),
    *("schedule", "harmonise", "style", "invariance", "corruption", "yardstick", "rule"),
)


class Registry(NamedTuple):
    """A registry that can be added to.

    ``asked_as`` is what names such a member: a field of a config, or the kind itself. Two registries of the same
    ``asked_as`` must not share a name. ``check`` raises ValueError, which says what is wrong, for a member that cannot
    be used beside those that are there.
    """

    members: dict[str, Any]
    member_class: type
    asked_as: str
    check: Callable[[Any], None]


class MemberFile(NamedTuple):
    """A file with members: its path or name, for messages, and its text."""

    name: str
    text: str

    @property
    def tag(self) -> str:
        """What follows the @ in the names of its members: 12 hexadecimal digits of its text."""
        return digest(self.text.encode())

    @property
    def words(self) -> str:
        """What a message calls it."""
        return f"--members: {self.name}"


class InstalledPackage(NamedTuple):
    """An installed distribution with members."""

    name: str
    version: str

    @property
    def tag(self) -> str:
        return f"{self.name}-{self.version}"

    @property
    def words(self) -> str:
        return f"the installed package {self.name} {self.version}"


Source = MemberFile | InstalledPackage
Members = dict[tuple[str, str], Any]  # (kind, name) -> member
_sources: dict[tuple[str, str], tuple[str, Source]] = {}  # (asked_as, plain name) -> kind, and what the member is of


def add_member_files(paths: Iterable[str | Path], registries: Mapping[str, Registry]) -> None:
    """Read and execute the files, and add their members to ``registries``: kind -> registry.

    Members of kinds that ``registries`` lacks are left out. ValueError for what cannot be used.
    """
    files = [_read(Path(path)) for path in paths]
    added: dict[tuple[str, str], MemberFile] = {}
    for file in files:
        for of_kind in add_members(file, registries):
            if of_kind in added and added[of_kind] != file:
                kind, name = of_kind
                raise ValueError(f"{file.name} and {added[of_kind].name} both have the {kind} {name!r}: rename one")
            added[of_kind] = file


def add_members(file: MemberFile, registries: Mapping[str, Registry]) -> list[tuple[str, str]]:
    """Execute a file and add its members, in place of an earlier version of them; returns (kind, name) of each.

    A file that was added already is not executed again.
    """
    there = []
    for (_, name), (kind, source) in _sources.items():
        if isinstance(source, MemberFile) and source.text == file.text:
            there.append((kind, name))
    if there:
        return there
    members = _checked(file, _executed(file), registries)
    _add(members, file, registries)
    return list(members)


def add_installed_members(registries: Mapping[str, Registry]) -> None:
    """Load and add the members that installed packages have as entry points. ValueError for what cannot be used."""
    for entry in installed_members(registries):
        package = _package_of(entry)
        kind, _, name = entry.name.partition(".")
        if f"{name}@{package.tag}" in registries[kind].members:
            continue
        _require_name(package, kind, name, registries)
        try:
            member = entry.load()
        except Exception as error:  # the package may raise any exception; the message passes it on
            raise ValueError(f"{package.words}: {entry.name}: {type(error).__name__}: {error}") from error
        _require_member(package, kind, name, member, registries)
        _add({(kind, name): member}, package, registries)


def installed_members(kinds: Collection[str] = KINDS) -> list[EntryPoint]:
    """The entry points of these kinds of members, which are not loaded. ValueError for one that is no KIND.NAME."""
    entries = sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.partition(".")[0] not in KINDS:
            raise ValueError(
                f"{_package_of(entry).words}: an entry point of {GROUP} is called KIND.NAME, with KIND one of "
                f"{', '.join(KINDS)}; got {entry.name!r}"
            )
    return [entry for entry in entries if entry.name.partition(".")[0] in kinds]


def _package_of(entry: EntryPoint) -> InstalledPackage:
    assert entry.dist is not None  # entry_points() reads distributions only
    return InstalledPackage(entry.dist.name, entry.dist.version)


def member_files() -> list[MemberFile]:
    """The files with members that workers need, each once: all but those with selection rules only."""
    files = [source for kind, source in _sources.values() if isinstance(source, MemberFile) and kind != "rule"]
    return list(dict.fromkeys(files))


def full_name(asked_as: str, value: Any) -> Any:
    """NAME@TAG where ``value`` is the name of a member from outside; any other value as it is."""
    _, source = _sources.get((asked_as, value), (None, None)) if isinstance(value, str) else (None, None)
    return value if source is None else f"{value}@{source.tag}"


def _read(path: Path) -> MemberFile:
    if not path.is_file() or path.suffix != ".py":
        raise ValueError(f"--members must name a .py file, got {path}")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"--members: {path} has more than {LARGEST} bytes, and it is sent with every trial")
    try:
        return MemberFile(str(path), path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"--members: {path} is no text in UTF-8 ({error})") from error


def _executed(file: MemberFile) -> ModuleType:
    """The file as a module, executed from its text, which is all that a worker has."""
    module = ModuleType(f"tune_ks_members_{file.tag}")
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        exec(compile(file.text, file.name, "exec"), module.__dict__)
    except (Exception, SystemExit) as error:  # the user's file may raise any exception; the message passes it on
        hint = ""
        if isinstance(error, ModuleNotFoundError):
            hint = " (it travels alone: it may import installed packages and tune_ks, no file beside it)"
        raise ValueError(f"--members: {file.name}: {type(error).__name__}: {error}{hint}") from error
    return module


def _checked(file: MemberFile, module: ModuleType, registries: Mapping[str, Registry]) -> Members:
    """The members of MEMBERS of a file. ValueError where it is not as it should be."""
    given = getattr(module, "MEMBERS", None)
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f'{file.words} must set MEMBERS, such as {{"mask": {{"mine": Member(Mine)}}}}')
    members: Members = {}
    for kind, by_name in given.items():
        if kind not in KINDS or not isinstance(by_name, Mapping):
            raise ValueError(
                f"{file.words}: MEMBERS holds a dict of name -> member for each of the kinds {', '.join(KINDS)}; "
                f"got {kind!r}"
            )
        if kind not in registries:
            continue
        for name, member in by_name.items():
            _require_name(file, kind, name, registries)
            _require_member(file, kind, name, member, registries)
            members[kind, name] = member
    _require_no_name_twice(file, members, registries)
    return members


def _require_name(source: Source, kind: str, name: object, registries: Mapping[str, Registry]) -> None:
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]{0,63}", name):
        raise ValueError(f"{source.words}: a name must be a word in small letters, got {name!r}")
    asked_as = registries[kind].asked_as
    for registry in registries.values():
        if registry.asked_as == asked_as and name in registry.members:
            raise ValueError(f"{source.words}: tune_ks has a {asked_as} {name!r} of its own: choose another name")
    _, other = _sources.get((asked_as, name), (kind, source))
    are_files = isinstance(source, MemberFile) and isinstance(other, MemberFile)  # the later replaces the earlier
    if other != source and not are_files:
        raise ValueError(f"{source.words} and {other.words} both have a {asked_as} {name!r}: rename or remove one")


def _require_no_name_twice(file: MemberFile, members: Members, registries: Mapping[str, Registry]) -> None:
    """ValueError for a classifier and a segmenter of one name: a config names both in one field."""
    names = [(registries[kind].asked_as, name) for kind, name in members]
    twice = sorted({of_field for of_field in names if names.count(of_field) > 1})
    if twice:
        asked_as, name = twice[0]
        raise ValueError(f"{file.words}: the {asked_as} {name!r} is there twice: rename one")


def _require_member(source: Source, kind: str, name: str, member: object, registries: Mapping[str, Registry]) -> None:
    expected = registries[kind].member_class
    if not isinstance(member, expected):
        raise ValueError(f"{source.words}: the {kind} {name!r} must be a {expected.__name__}, got {member!r}")


def _add(members: Members, source: Source, registries: Mapping[str, Registry]) -> None:
    """Add members in place of others of the same names from outside; adds none where a check fails."""
    for kind, name in members:
        registry = registries[kind].members
        for other_version in [full for full in registry if full.startswith(f"{name}@")]:
            del registry[other_version]
    for (kind, name), member in members.items():
        try:
            registries[kind].check(member)
        except ValueError as error:
            raise ValueError(f"{source.words}: the {kind} {name!r}: {error}") from error
    for (kind, name), member in members.items():
        registries[kind].members[f"{name}@{source.tag}"] = member
        _sources[registries[kind].asked_as, name] = (kind, source)
