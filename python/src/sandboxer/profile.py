"""The profile a sandbox is made by."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping

    Members = Dict[str, Any]
else:
    Members = dict


class Profile(Members):
    """A profile's members, by `profile["x"]` as well as by `profile.x`, and so on inside.

    It is a `dict`, so that `json.dumps` takes it. A member that is called like a method of `dict` is found by
    `profile["items"]` only. Attributes can be read, not set.
    """

    __slots__ = ()

    def __init__(self, members: Mapping[str, Any]) -> None:
        super().__init__((name, _wrapped(value)) for name, value in members.items())

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the profile has no `{name}`") from None


def _wrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return Profile(value)
    if isinstance(value, list):
        return [_wrapped(item) for item in value]
    return value
