"""A gateway file's text is read once: what was judged is what later looks at the same text find."""

from __future__ import annotations

from gatewright.app.policy import Policy, readable
from gatewright.source import load

FILE = """\
gateway: localhost
listen: 8443
authorities: {{ home: {{ managed: true }} }}
routes:
  /mark: {{ respond: {{ text: "{mark}" }}, access: public }}
"""


def test_what_was_judged_is_found_again_by_its_text() -> None:
    """The very object, so that it is neither read nor held twice; another text is read, and so is one that was forgotten."""
    texts = [FILE.format(mark=mark) for mark in ("one", "two", "three")]
    policies = [Policy(text.encode(), load(text, "gateway.yaml")) for text in texts]
    assert readable(texts[2].encode()) is policies[2].gateway
    assert readable(texts[1].encode()) is policies[1].gateway
    again = readable(texts[0].encode())
    assert again == policies[0].gateway
    assert again is not policies[0].gateway
    assert again != policies[1].gateway


def test_a_text_that_cannot_be_read_is_none_each_time() -> None:
    """What another version wrote stays unreadable."""
    assert [readable(b"gateway: [") for _ in range(2)] == [None, None]
