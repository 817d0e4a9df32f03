"""Members of a user's own file, beside the registries of the package: --members FILE.

The file sets MEMBERS: field of a space -> name -> Member, as the registries of the package do:

    MEMBERS = {"mask": {"checkerboard": Member(Checkerboard, (CENTRE,))}}

A space says "checkerboard". In a config, and so in its key, its record and the report, the member is called
checkerboard@HASH, where HASH are the first 12 digits of the SHA-256 of the file: a changed file is another member. The
text of the file travels to every worker with its trials. Nothing of it is kept in a run folder, and nothing is ever
loaded from one: who continues or evaluates a run names the file again.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from tune_ks.core.config import OWN_FIELDS, digest
from tune_ks.core.options import Member, Option
from tune_ks.model.classifiers import CLASSIFIERS
from tune_ks.training.members import owners, registries

LARGEST = 2**20  # bytes of a file: its text is sent with every trial


class MemberFile(NamedTuple):
    """A file with members: its path or name, for messages, and its text."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        """12 hexadecimal digits of its text."""
        return digest(self.text.encode())


_files: dict[tuple[str, str], MemberFile] = {}  # (field, plain name) -> the file that the member is of


def add_member_files(paths: Iterable[str | Path]) -> None:
    """Read and execute the files, and add their members to the registries. ValueError for what cannot be used."""
    files = [_read(Path(path)) for path in paths]
    added: dict[tuple[str, str], MemberFile] = {}
    for file in files:
        for named in add_members(file):
            if named in added and added[named] != file:
                field, member = named
                raise ValueError(f"{file.name} and {added[named].name} both have the {field} {member!r}: rename one")
            added[named] = file


def add_members(file: MemberFile) -> list[tuple[str, str]]:
    """Execute a file and add its members, in place of an earlier version of them; returns (field, name) of each.

    A file that was added already is not executed again.
    """
    there = [named for named, of_member in _files.items() if of_member.text == file.text]
    if there:
        return there
    members = _checked(file, _executed(file))
    for field, name in members:
        registry = _registry(field)
        for other_version in [full for full in registry if full.startswith(f"{name}@")]:
            del registry[other_version]
    for (field, _), member in members.items():
        _require_options(file, field, member)
    for (field, name), member in members.items():
        _registry(field)[f"{name}@{file.hash}"] = member
        _files[field, name] = file
    return list(members)


def member_files() -> list[MemberFile]:
    """The files whose members are in the registries, each once."""
    return list(dict.fromkeys(_files.values()))


def full_name(field: str, value: Any) -> Any:
    """NAME@HASH where ``value`` is the name of a member of an added file; any other value as it is."""
    file = _files.get((field, value)) if isinstance(value, str) else None
    return value if file is None else f"{value}@{file.hash}"


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
    module = ModuleType(f"tune_ks_members_{file.hash}")
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        exec(compile(file.text, file.name, "exec"), module.__dict__)
    except Exception as error:  # the user's file may raise any exception; the message passes it on
        hint = ""
        if isinstance(error, ModuleNotFoundError):
            hint = " (it travels alone: it may import installed packages and tune_ks, no file beside it)"
        raise ValueError(f"--members: {file.name}: {type(error).__name__}: {error}{hint}") from error
    return module


def _checked(file: MemberFile, module: ModuleType) -> dict[tuple[str, str], Member]:
    """(field, name) -> member, of MEMBERS of a file. ValueError where it is not as it should be."""
    given = getattr(module, "MEMBERS", None)
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f'--members: {file.name} must set MEMBERS, such as {{"mask": {{"mine": Member(Mine)}}}}')
    members: dict[tuple[str, str], Member] = {}
    for field, by_name in given.items():
        if field not in registries() or not isinstance(by_name, Mapping):
            raise ValueError(
                f"--members: {file.name}: MEMBERS holds a dict of name -> Member for each of the fields "
                f"{', '.join(registries())}; got {field!r}"
            )
        for name, member in by_name.items():
            _require_name(file, field, name)
            if not isinstance(member, Member):
                raise ValueError(f"--members: {file.name}: the {field} {name!r} must be a Member, got {member!r}")
            members[field, name] = member
    return members


def _require_name(file: MemberFile, field: str, name: object) -> None:
    if not isinstance(name, str) or not re.fullmatch("[a-z][a-z0-9_]{0,63}", name):
        raise ValueError(f"--members: {file.name}: a name must be a word in small letters, got {name!r}")
    if name in registries()[field]:
        raise ValueError(f"--members: {file.name}: tune_ks has a {field} {name!r} of its own: choose another name")


def _require_options(file: MemberFile, field: str, member: Member) -> None:
    """ValueError for an option that a config could not hold beside those of the other members."""
    declared = owners()
    for option in member.options:
        if not isinstance(option, Option) or option.name in OWN_FIELDS:
            raise ValueError(f"--members: {file.name}: {option!r} is no Option, or has the name of a config's field")
        others = {other for _, _, other in declared.get(option.name, [])}
        if others and option not in others:
            raise ValueError(
                f"--members: {file.name}: the option {option.name!r} of its {field} is declared otherwise by another "
                "member: choose another name, or import that declaration"
            )


def _registry(field: str) -> dict[str, Any]:
    """The registry itself, to be added to. A network of a user's own is a classifier."""
    return CLASSIFIERS if field == "classifier" else registries()[field]
