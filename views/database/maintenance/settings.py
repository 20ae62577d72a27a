"""PostgreSQL's settings against advice: what each is, what it should be, why, and what changing it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.verdict import Status
from collectors.cache import Answer
from collectors.errors import Denied, SourceError
from collectors.postgres import settings as postgres_settings
from collectors.postgres.settings import OWN, FileSetting, RoleSetting, Setting
from collectors.registry import Sources
from collectors.settings_advice import (
    MEMORY,
    Bound,
    Connections,
    Equal,
    OneOf,
    Rule,
    SettingAdvice,
    Share,
    catalogue,
    quantity,
)
from collectors.span import Span
from views.shared.ages import oldest

_OF_THE_CONSOLE = frozenset({"user", "database user", "session", "client"})
"""Where a value comes from that holds for the console's own sessions and says nothing about others."""

_TAKES = {"postmaster": "a restart", "sighup": "a reload", "internal": "a new cluster or pg_checksums"}


@dataclass(frozen=True)
class Judged:
    """One setting and what advice says to it.

    Attributes:
        name: The setting.
        status: ``ok`` as advised, ``risk`` or ``broken`` where it differs, ``unknown`` where it cannot be told.
        value: Its value as PostgreSQL writes it; foreign text.
        told: What does not fit, or why it cannot be told; empty where all fits.
        advice: What it should be.
        why: What happens otherwise.
        source: Where that is written.
        takes: What changing it takes.
    """

    name: str
    status: Status
    value: str
    told: str
    advice: str
    why: str
    source: str
    takes: str


@dataclass(frozen=True)
class SettingsReport:
    """All settings that there is advice for, the worst first, and what is wrong beside.

    Attributes:
        judged: The settings.
        pending: Settings for which a restart would bring another value.
        mistakes: Lines of the configuration files with a mistake; ``None`` where the console may not look at them.
        grant: What would let it; empty where it may.
        remarks: What could not be looked at, and why.
    """

    judged: tuple[Judged, ...]
    pending: tuple[str, ...]
    mistakes: tuple[FileSetting, ...] | None
    grant: str
    remarks: tuple[str, ...]

    @property
    def differing(self) -> int:
        """How many differ from the advice."""
        return sum(one.status in {"risk", "broken"} for one in self.judged)


def load_settings(sources: Sources, _span: Span | None = None) -> Answer[SettingsReport]:
    """The settings against advice, as they are now.

    Raises:
        SourceError: The settings could not be asked, and no good answer is kept.
        SettingsAdviceError: The file of advice has mistakes.
    """
    postgres = sources.postgres
    settings = postgres_settings.settings(postgres)
    answers: list[Answer[object]] = [settings]
    remarks: list[str] = []
    roles: list[RoleSetting] | None = None
    files: list[FileSetting] | None = None
    grant = ""
    try:
        kept_roles = postgres_settings.role_settings(postgres)
        roles = kept_roles.value
        answers.append(kept_roles)
    except SourceError as error:
        remarks.append(f"Settings of roles are not known: PostgreSQL {error.what}. {error.hint}".strip())
    try:
        kept_files = postgres_settings.file_settings(postgres)
        files = kept_files.value
        answers.append(kept_files)
    except Denied:
        files = None
    except SourceError as error:
        remarks.append(f"The configuration files are not known: PostgreSQL {error.what}.")
    if files is None:
        grant = postgres_settings.FILE_GRANT.format(role=postgres.server().value.role.replace('"', '""'))
    found = judged(catalogue(), settings.value, roles, files, postgres.settings.memory, postgres.server().value.role)
    pending = tuple(one.name for one in settings.value.values() if one.pending_restart)
    mistakes = None if files is None else tuple(one for one in files if one.error)
    return oldest(answers, SettingsReport(found, pending, mistakes, grant, tuple(remarks)))


_ORDER: tuple[Status, ...] = ("broken", "risk", "unknown", "ok")


def judged(
    advice: Mapping[str, SettingAdvice],
    settings: Mapping[str, Setting],
    roles: Sequence[RoleSetting] | None,
    files: Sequence[FileSetting] | None,
    memory: int | None,
    own_role: str,
) -> tuple[Judged, ...]:
    """What advice says to each setting that the server has, the worst first.

    Args:
        advice: The advice by name.
        settings: What is in force, by name.
        roles: Settings of roles; ``None`` where they are not known.
        files: Lines of the configuration files; ``None`` where they are not known.
        memory: Bytes of the machine's memory; ``None`` where that is not known.
        own_role: The console's role, which is nobody whose settings matter.
    """
    found = []
    for name, one in advice.items():
        if name not in settings:
            continue
        status, value, told = _one(name, one, settings, roles, files, memory, own_role)
        takes = _TAKES.get(settings[name].context, "a reload; it holds for new sessions")
        found.append(Judged(name, status, value, told, one.advice, one.why, one.source, takes))
    return tuple(sorted(found, key=lambda one: _ORDER.index(one.status)))


def _one(
    name: str,
    advice: SettingAdvice,
    settings: Mapping[str, Setting],
    roles: Sequence[RoleSetting] | None,
    files: Sequence[FileSetting] | None,
    memory: int | None,
    own_role: str,
) -> tuple[Status, str, str]:
    """Status, value and what does not fit."""
    setting = settings[name]
    if advice.inherits and setting.setting == "-1" and advice.inherits in settings:
        setting = settings[advice.inherits]
    if not advice.of_role:
        told = _misfits(advice, setting, settings, memory)
        return (advice.severity if told else "ok"), setting.written, told
    if roles is None:
        return "unknown", "", "settings of roles cannot be seen"
    values = _of_roles(setting, roles, files, own_role)
    known = {who: text for who, text in values.items() if text is not None}
    value = ", ".join(f"{who}: {text}" for who, text in known.items())
    misfits = [
        f"{who}: {told}"
        for who, text in known.items()
        if (told := _misfits(advice, _with(setting, text), settings, memory))
    ]
    if misfits:
        return advice.severity, value, "; ".join(misfits)
    if len(known) < len(values):
        unseen = ", ".join(who for who in values if who not in known)
        return "unknown", value, f"not seen for {unseen}: the console's own sessions have a value of their own"
    return "ok", value, ""


def _with(setting: Setting, text: str) -> Setting:
    """The setting with a value as somebody wrote it, such as ``30s``; a bare number is in the setting's own unit."""
    amount = quantity(text)
    bare = Setting(setting.name, text, "", setting.kind, setting.context, "", "", pending_restart=False)
    if amount is None or not text.strip()[-1:].isdigit():
        return bare
    return Setting(setting.name, text, setting.unit, setting.kind, setting.context, "", "", pending_restart=False)


def _of_roles(
    setting: Setting, roles: Sequence[RoleSetting], files: Sequence[FileSetting] | None, own_role: str
) -> dict[str, str | None]:
    """The value for each role that works in this database, the most exact one; ``None`` where it cannot be seen."""
    server: str | None = setting.written
    if setting.name in OWN or setting.source in _OF_THE_CONSOLE:
        server = None
        if files is not None:
            lines = [one.setting for one in files if one.name == setting.name and one.applied]
            server = _with(setting, lines[-1] if lines else setting.built_in).written
    mine = [one for one in roles if one.name == setting.name]
    everyone = next((one.setting for one in mine if not one.role), server)
    working = dict.fromkeys(
        one.role
        for one in roles
        if one.role and one.connected and not one.superuser and not one.watcher and one.role != own_role
    )
    found: dict[str, str | None] = {}
    for role in working:
        its = sorted((one for one in mine if one.role == role), key=lambda one: one.here_only)
        found[role] = its[-1].setting if its else everyone
    return found or {"all roles": everyone}


def _misfits(advice: SettingAdvice, setting: Setting, settings: Mapping[str, Setting], memory: int | None) -> str:
    """What does not fit, in words; empty where all rules hold that can be judged."""
    told = [text for rule in advice.rules if (text := _misfit(rule, advice, setting, settings, memory))]
    return "; ".join(told)


def _misfit(
    rule: Rule, advice: SettingAdvice, setting: Setting, settings: Mapping[str, Setting], memory: int | None
) -> str:
    match rule:
        case Equal():
            return "" if setting.setting == rule.value else f"it is not {rule.value}"
        case OneOf():
            return "" if setting.setting in rule.values else f"it is none of {', '.join(rule.values)}"
        case Bound():
            return _out_of_bound(rule, advice, setting)
        case Share():
            return _wrong_share(rule, setting, settings, memory)
        case Connections():
            return _too_few(rule, setting, settings)


def _out_of_bound(rule: Bound, advice: SettingAdvice, setting: Setting) -> str:
    if setting.setting in advice.off:
        return "it is off, or without a limit"
    amount, limit = setting.amount, quantity(rule.value)
    if amount is None or limit is None:
        return f"{setting.written} is no quantity"
    if rule.kind == "minimum" and amount < limit:
        return f"less than {rule.value}"
    if rule.kind == "maximum" and amount > limit:
        return f"more than {rule.value}"
    return ""


def _wrong_share(rule: Share, setting: Setting, settings: Mapping[str, Setting], memory: int | None) -> str:
    amount = setting.amount
    whole = float(memory) if rule.of == MEMORY and memory else _amount(settings.get(rule.of))
    times = _amount(settings.get(rule.times)) if rule.times else 1.0
    if amount is None or not whole or times is None:
        return ""
    share = amount * times / whole
    what = f"× {rule.times} it is" if rule.times else "it is"
    of = "the machine's memory" if rule.of == MEMORY else rule.of
    if rule.least is not None and share < rule.least:
        return f"{what} {share:.2g} of {of}, less than {rule.least:g}"
    if rule.most is not None and share > rule.most:
        return f"{what} {share:.2g} of {of}, more than {rule.most:g}"
    return ""


def _too_few(rule: Connections, setting: Setting, settings: Mapping[str, Setting]) -> str:
    reserved = sum(
        _amount(settings.get(name)) or 0.0 for name in ("superuser_reserved_connections", "reserved_connections")
    )
    wanted = rule.replicas * rule.pool + int(reserved)
    if setting.amount is None or setting.amount >= wanted:
        return ""
    return (
        f"{rule.replicas} replicas × {rule.pool} connections, and {int(reserved)} reserved, want {wanted}; "
        f"there is room for {max(int(setting.amount - reserved), 0) // rule.pool} replicas"
    )


def _amount(setting: Setting | None) -> float | None:
    return setting.amount if setting is not None else None
