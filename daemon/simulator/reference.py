"""The entities that stand still: users, accounts, products, contracts. Field names: Tradovate OpenAPI."""

from collections.abc import Sequence
from datetime import datetime

from daemon.simulator.entities import Entities, number, stamp
from daemon.simulator.logins import LoginSpec
from daemon.simulator.products import PRODUCTS, Listing, expiration


def describe_user(entities: Entities, spec: LoginSpec, moment: datetime, user_id: int) -> int:
    """Make a user's entity; returns its id."""
    entities.create(
        "user",
        user_id,
        user_id,
        name=spec.username,
        timestamp=stamp(moment),
        email=f"{spec.username}@example.org",
        status=spec.status,
        professional=False,
    )
    return user_id


def describe_account(entities: Entities, name: str, owner_id: int, moment: datetime, account_id: int) -> int:
    """Make an account's entities; returns its id."""
    entities.create(
        "account",
        account_id,
        account_id,
        name=name,
        userId=owner_id,
        accountType="Customer",
        active=True,
        clearingHouseId=2,
        riskCategoryId=3,
        autoLiqProfileId=2,
        marginAccountType="Speculator",
        legalStatus="Individual",
        timestamp=stamp(moment),
    )
    entities.create("accountRiskStatus", account_id, account_id, adminAction="Normal", adminTimestamp=stamp(moment))
    entities.create(
        "marginSnapshot",
        account_id,
        account_id,
        timestamp=stamp(moment),
        riskTimePeriodId=1,
        initialMargin=0,
        maintenanceMargin=0,
        totalUsedMargin=0,
        fullInitialMargin=0,
        positionMargin=0,
    )
    return account_id


def list_products(entities: Entities, currency_id: int, months: Sequence[str], moment: datetime) -> dict[str, Listing]:
    """Make the reference data of all products in these months; returns the listings by contract name."""
    group_id = entities.create("contractGroup", None, name="All products")["id"]
    entities.create("orderStrategyType", None, 2, name="Bracket", enabled=True)
    exchanges = {
        name: entities.create("exchange", None, name=name)["id"]
        for name in dict.fromkeys(product.exchange for product in PRODUCTS)
    }
    listings: dict[str, Listing] = {}
    for product in PRODUCTS:
        product_id = entities.create(
            "product",
            None,
            name=product.root,
            currencyId=currency_id,
            productType="Futures",
            description=product.description,
            exchangeId=exchanges[product.exchange],
            contractGroupId=group_id,
            status="Verified",
            months="".join(sorted({month[0] for month in months})),
            isSecured=False,
            valuePerPoint=number(product.value_per_point),
            priceFormatType="Decimal",
            priceFormat=product.decimals,
            tickSize=number(product.tick),
        )["id"]
        for place, month in enumerate(months):
            expires = expiration(month, moment)
            maturity_id = entities.create(
                "contractMaturity",
                None,
                productId=product_id,
                expirationMonth=expires.year * 100 + expires.month,
                expirationDate=stamp(expires),
                isFront=place == 0,
            )["id"]
            symbol = product.root + month
            contract_id = entities.create("contract", None, name=symbol, contractMaturityId=maturity_id)["id"]
            listings[symbol] = Listing(symbol, product, contract_id, maturity_id, product_id)
    return listings
