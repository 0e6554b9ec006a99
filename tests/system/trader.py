"""python -m tests.system.trader REST: trades the leader's account until standard input ends, then closes what is open.

For a test that cannot trade by itself, because the broker is in another network. Prints a line when trading has begun,
and when all are flat, or the limit is over, what the broker has: orders and positions of each account, and the names
under which requests came.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

from tests.system.processes import Person, person_at

A_WHILE = (0.3, 1.0)  # seconds between two orders: a busy machine must keep up, and copierctl lists 500 copies
LIMIT = 60.0  # seconds for the followers to be flat after the leader


def told(person: Person) -> dict[str, object]:
    names = {number: name for name, number in person.accounts().items()}
    orders = defaultdict(list)
    for row in person.rows("order/list"):
        orders[names[row["accountId"]]].append(row["id"])
    sent = [row["clOrdId"] for row in person.rows("command/list") if row["commandType"] == "New" and row.get("clOrdId")]
    return {"orders": orders, "positions": person.positions(), "sent": sent}


def main(rest: str) -> None:
    with person_at(rest, random.Random(7)) as person, ThreadPoolExecutor(1) as thread:
        person.between = A_WHILE
        trading = thread.submit(person.trade)
        print("trading", flush=True)
        sys.stdin.read()
        person.enough.set()
        trading.result()
        end = time.monotonic() + LIMIT
        while person.positions() and time.monotonic() < end:
            time.sleep(0.2)
        print(json.dumps(told(person)))


if __name__ == "__main__":
    main(sys.argv[1])
