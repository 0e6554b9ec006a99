"""The few pages that a browser gets from the look-alike."""

from collections.abc import Sequence
from html import escape

import attrs

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body {{ font: 1rem/1.5 sans-serif; max-width: 30rem; margin: 3rem auto; padding: 0 1rem }}
button, input {{ font: inherit; padding: .4rem 1rem; margin: .5rem .5rem .5rem 0 }}</style></head>
<body><h1>{title}</h1>
"""


@attrs.frozen
class Page:
    """An answer for a browser: HTML, or a redirect when `location` says where to."""

    status: int
    html: str
    location: str = ""


def notice(status: int, title: str, words: str) -> Page:
    return Page(status, f"{_HEAD.format(title=escape(title))}<p>{escape(words)}</p></body></html>\n")


def consent(client_id: str, action: str, page: str, usernames: Sequence[str]) -> Page:
    """Asks which user it is (there are no passwords here) and whether the application may trade."""
    known = "".join(f'<option value="{escape(name)}">' for name in usernames)
    first = escape(usernames[0]) if usernames else ""
    form = f"""<p>The application <b>{escape(client_id)}</b> asks to read and to trade your accounts.
This is the simulated broker: nothing here is real.</p>
<form method="post" action="{escape(action)}"><input type="hidden" name="page" value="{escape(page)}">
<label>User <input name="user" list="users" value="{first}" autocomplete="off"></label>
<datalist id="users">{known}</datalist><br>
<button name="answer" value="allow">Allow</button> <button name="answer" value="deny">Deny</button></form></body></html>
"""
    return Page(200, _HEAD.format(title="Allow access?") + form)
