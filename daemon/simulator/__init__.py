"""A Tradovate look-alike: exchange, broker, REST and WebSocket on one port, and everything that can go wrong.

It imports nothing of the rest of the application, so that a misreading of the protocol shows up instead of cancelling
out. Typical use:

    broker = Broker.build(
        {"apex": LoginSpec(username="jane", password="pw", accounts=("DEMO1", "DEMO2"))},
        now=now,                      # () -> aware UTC datetime
        dice=random.Random(1),
    )
    server = Server(broker, observer=observer)
    async with trio.open_nursery() as nursery:
        port = await nursery.start(serve_tcp, server, "127.0.0.1", 0)    # a real port, base path /v1, or:
        await nursery.start(server.run)                                  # no port:
        nursery.start_soon(server.serve_stream, stream)                  # one connection in memory
        status, headers, body = await server.rest("GET", "/v1/account/list", headers, b"")
        server.faults = attrs.evolve(server.faults, drop_props=0.2)      # lasting faults
        server.drop_sockets("apex")                                      # one-shot acts: see Deeds
        broker.place("DEMO1", "Buy", "ESZ6", 1)                          # a person at another terminal
        nursery.start_soon(Trader(broker, "DEMO1", "ESZ6", endless()).run)  # a leader by script
        nursery.start_soon(walk, broker, ["ESZ6"], random.Random(2))        # prices that move

What a test may look at: `broker.accepted`, `broker.orders(account)`, `broker.positions(account)`,
`server.token_requests`, `server.sockets_opened`, `server.syncs`, `server.live_sockets(login)`, `server.calls`.
"""

from daemon.simulator.broker import Accepted, Broker
from daemon.simulator.faults import Act, Faults, FaultsInvalid
from daemon.simulator.logins import LoginSpec
from daemon.simulator.office import Severed
from daemon.simulator.orders import Order
from daemon.simulator.server import Server, serve_tcp
from daemon.simulator.service import Observer
from daemon.simulator.trader import Trader, endless, showcase, walk

__all__ = [
    "Accepted",
    "Act",
    "Broker",
    "Faults",
    "FaultsInvalid",
    "LoginSpec",
    "Observer",
    "Order",
    "Server",
    "Severed",
    "Trader",
    "endless",
    "serve_tcp",
    "showcase",
    "walk",
]
