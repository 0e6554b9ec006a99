"""Who takes part in the demo: a leader and three followers on two logins, all on the embedded simulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

LEADER: Final = "lead"
FOLLOWERS: Final = ("same", "half", "micro")
SYMBOL: Final = "ESZ6"
MARKET: Final = ("ESZ6", "MESZ6")  # one index: the two contracts have one price
OURS: Final = "ours"  # the login of the leader and of `same`
PROP: Final = "prop"  # the login of `half` and `micro`

TEXT: Final = """\
# The configuration of `copierd demo`: everything in it trades on the simulator inside the daemon.

[logins.ours]
environment = "simulator"

[logins.prop]
environment = "simulator"

[accounts.lead]
login = "ours"
name  = "SIM1000"

[accounts.same]
login = "ours"
name  = "SIM1001"

[accounts.half]
login = "prop"
name  = "SIM2001"

[accounts.micro]
login = "prop"
name  = "SIM2002"

[[copy]]
name   = "main"
leader = "lead"

[[copy.followers]]
account      = "same"
max_position = 20

[[copy.followers]]
account      = "half"
ratio        = 0.5
max_position = 20

[[copy.followers]]
account      = "micro"
map          = { ES = { to = "MES", factor = 10 } }
max_position = 200
"""


def written(state: Path) -> Path:
    """The configuration as a file in the state directory that it names."""
    path = state / "copier.toml"
    places = {"state_directory": state, "control_socket": state / "control.sock"}
    # A JSON string is a TOML string as well.
    lines = [f"{key} = {json.dumps(str(place))}" for key, place in places.items()]
    path.write_text(TEXT + "\n[daemon]\n" + "\n".join(lines) + "\n")
    return path
