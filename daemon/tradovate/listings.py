"""Contracts, their months and their products: what the broker has said of them, and what is still to be asked. Pure.

The way is contract -> contractMaturity -> product (Tradovate OpenAPI); a contract is found by its name. What the
snapshot or another account has shown already is not asked for again.
"""

from __future__ import annotations

from urllib.parse import quote

import attrs

from daemon.tradovate.parts import ContractPart, MaturityPart, ProductPart
from statecharts.contracts import ContractFacts
from statecharts.values import Root, Symbol, is_contract


@attrs.frozen
class Question:
    """One read: what to ask, and the type of the entity that answers."""

    endpoint: str
    query: str
    entity_type: str


@attrs.define
class Listings:
    """By id, as the broker refers to them, and contracts and products by name, as orders and configurations do."""

    _contracts: dict[str, ContractPart] = attrs.Factory(dict)
    _maturities: dict[int, MaturityPart] = attrs.Factory(dict)
    _products: dict[int, ProductPart] = attrs.Factory(dict)
    _roots: dict[str, ProductPart] = attrs.Factory(dict)

    def put(self, part: ContractPart | MaturityPart | ProductPart) -> None:
        match part:
            case ContractPart():
                self._contracts[part.name] = part
            case MaturityPart():
                self._maturities[part.id] = part
            case ProductPart():
                self._products[part.id] = self._roots[part.name] = part

    def facts(self, symbol: Symbol) -> ContractFacts | None:
        """Of a contract, or of a product by its root; None while `question` has one."""
        if not is_contract(symbol):
            product = self._roots.get(symbol)
            return None if product is None else _facts(symbol, product, None)
        contract = self._contracts.get(symbol)
        maturity = self._maturities.get(contract.maturity_id or 0) if contract else None
        product = self._products.get(maturity.product_id) if maturity else None
        return None if product is None else _facts(symbol, product, maturity)

    def question(self, symbol: Symbol) -> Question | None:
        """What to ask next about it; None when there is nothing left to ask."""
        if not is_contract(symbol):
            return None if symbol in self._roots else Question("product/find", f"name={quote(symbol)}", "product")
        contract = self._contracts.get(symbol)
        if contract is None or contract.maturity_id is None:
            return Question("contract/find", f"name={quote(symbol)}", "contract")
        maturity = self._maturities.get(contract.maturity_id)
        if maturity is None:
            return Question("contractMaturity/item", f"id={contract.maturity_id}", "contractMaturity")
        if maturity.product_id not in self._products:
            return Question("product/item", f"id={maturity.product_id}", "product")
        return None


def _facts(symbol: Symbol, product: ProductPart, maturity: MaturityPart | None) -> ContractFacts:
    expires = None if maturity is None else maturity.expires
    return ContractFacts(symbol, Root(product.name), product.tick, product.value_per_point, expires)
