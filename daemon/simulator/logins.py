"""Who may log in, which accounts they see, and how a test describes them."""

from decimal import Decimal

import attrs


@attrs.frozen
class LoginSpec:
    """One user to be built. One login may hold many accounts, and two logins may share one."""

    username: str
    password: str | None = None  # None: any password is right
    accounts: tuple[str, ...] = ()
    sec: str | None = None  # None: any key is right
    devices: tuple[str, ...] | None = None  # deviceIds approved on live; None: all
    cash: Decimal = Decimal(50_000)
    firm: bool = False  # the accounts belong to a firm's user, as with prop firms: account.userId is not the login's
    status: str = "Active"  # userStatus in the token's answer
    orders: str = "full"  # the API key's permission for orders: "full", "read" (its orders are denied) or "denied"
    market_data: bool = True  # has a market data subscription that has not ended
    key_of: str = ""  # "live" or "demo": where the API key is from, and good for nothing on the other; "": both


@attrs.define
class Login:
    """A user as the broker knows it. `key` is the short name tests use."""

    key: str
    spec: LoginSpec
    user_id: int
    account_ids: list[int] = attrs.Factory(list)

    def sees(self, owner: int | None) -> bool:
        """May this user see what belongs to `owner` (an account, a user, or nobody)?"""
        return owner is None or owner == self.user_id or owner in self.account_ids
