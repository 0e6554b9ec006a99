"""Further logins of one configuration: their accounts follow the leader of the first.

Rule: flags say one login; who has said by one who follows is not asked for another.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from daemon.init import answers
from daemon.init.draft import Draft
from daemon.init.interview import Interview
from daemon.init.wish import Wish


def held(first: Interview) -> tuple[Draft, dict[Path, str]]:
    """What was answered, and the secrets to be written. Raises what `Interview.held` raises.

    The simulated broker asks nobody for a login: there one is enough.
    """
    draft, written = first.held()
    if first.terminal is None or first.wish.followers or draft.environment.embedded:
        return draft, written
    words = "Another login, with accounts that follow too? y or n"
    while _alone(draft) or first.terminal.text(words, answers.yes, "n"):
        wish = Wish(offline=first.wish.offline)
        other, more = Interview(first.files, wish, first.terminal, first.environ, earlier=draft).held()
        draft, written = attrs.evolve(draft, others=(*draft.others, other)), {**written, **more}
    return draft, written


def _alone(draft: Draft) -> bool:
    return not any(one.followers for one in draft.all)
