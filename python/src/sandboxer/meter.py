"""What sandboxes cost: exact decimals, never floating point.

```python
def estimate_cost(self, profile, duration):
    return MeterQuote(duration=duration, currency="USD", expected="0.083")
```
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Mapping, Sequence, Union

from sandboxer.errors import ContractViolation
from sandboxer.moments import parse_span, span_text

Amount = Union[Decimal, str, int]
"""An exact number. A `float` is refused: 0.1 is none of them."""
Span = Union[timedelta, str]
"""A length of time, or a text such as `1h30m`."""

BILLINGS = ("allocated", "active", "greater_of", "bundled")
_AMOUNTS = ("expected", "low", "high", "running_per_hour", "paused_per_hour", "amount")
_SPANS = ("duration", "granularity", "minimum")


@dataclass(frozen=True)
class MeterQuote:
    """What a sandbox would cost for `duration`. What is not known stays None; it is never guessed.

    All amounts are of one currency, by its code of three letters. `as_of` is the day of the prices, `YYYY-MM-DD`.
    Raises `TypeError` for a `float`, `ValueError` for what is no amount, no length of time or no known word.
    """

    duration: Span
    currency: str
    expected: Amount
    low: Amount | None = None
    high: Amount | None = None
    running_per_hour: Amount | None = None
    paused_per_hour: Amount | None = None
    billing: str | None = None
    granularity: Span | None = None
    minimum: Span | None = None
    excludes: Sequence[str] = ()
    as_of: str | None = None
    source: str | None = None
    confidence: str | None = None

    def __post_init__(self) -> None:
        if self.billing is not None and self.billing not in BILLINGS:
            raise ValueError(f"`billing` is one of {', '.join(BILLINGS)}, not `{self.billing}`")
        self.to_wire()

    def to_wire(self) -> dict[str, Any]:
        """The quote as JSON says it, decimals as texts."""
        return _to_wire(self)


@dataclass(frozen=True)
class MeterPrice:
    """A row of a price list: what a unit of `meter`, such as `vcpu_s`, costs. Raises as `MeterQuote` does."""

    meter: str
    amount: Amount
    currency: str
    as_of: str | None = None
    source: str | None = None
    confidence: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        self.to_wire()

    def to_wire(self) -> dict[str, Any]:
        """The row as JSON says it, decimals as texts."""
        return _to_wire(self)


def amount_text(value: Any, name: str) -> str:
    """An amount without an exponent. Raises `TypeError` for a `float`, `ValueError` for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, (Decimal, str, int)):
        raise TypeError(f"`{name}` is a `Decimal`, a text or a whole number, not a `{type(value).__name__}`")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"`{name}` is no decimal number: `{value}`") from None
    if not number.is_finite():
        raise ValueError(f"`{name}` is no finite number")
    return format(number, "f")


def quote_to_wire(returned: Any, duration: timedelta) -> dict[str, Any]:
    """A quote from what `estimate_cost` returned: a `MeterQuote`, or its members in a dict; `duration` may be absent.

    Raises `ContractViolation`.
    """
    if isinstance(returned, Mapping):
        returned = _from_members(MeterQuote, {"duration": duration, **returned})
    if not isinstance(returned, MeterQuote):
        raise ContractViolation(f"`estimate_cost` returned `{type(returned).__name__}`, not a `MeterQuote`")
    return returned.to_wire()


def price_to_wire(row: Any) -> dict[str, Any]:
    """A row of a price list: a `MeterPrice`, or its members in a dict. Raises `ContractViolation`."""
    if isinstance(row, Mapping):
        row = _from_members(MeterPrice, row)
    if not isinstance(row, MeterPrice):
        raise ContractViolation(f"`prices` returned `{type(row).__name__}`, not a `MeterPrice`")
    return row.to_wire()


def _from_members(kind: Any, members: Mapping[str, Any]) -> Any:
    try:
        return kind(**members)
    except (TypeError, ValueError) as fault:
        raise ContractViolation(f"this is no `{kind.__name__}`: {fault}") from fault


def _to_wire(whole: Any) -> dict[str, Any]:
    values = ((field.name, getattr(whole, field.name)) for field in fields(whole))
    return {name: _value(name, value) for name, value in values if value not in (None, ())}


def _value(name: str, value: Any) -> Any:
    if name in _AMOUNTS:
        return amount_text(value, name)
    if name in _SPANS:
        return span_text(parse_span(value) if isinstance(value, str) else value)
    if name == "excludes":
        return list(value)
    if not isinstance(value, str):
        raise TypeError(f"`{name}` is a text, not a `{type(value).__name__}`")
    return value
