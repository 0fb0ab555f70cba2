"""The book's pictures and films: words that are whole, players that need no network, with every frame in them."""

import io
import re
import sys
from base64 import b64decode
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
import matplotlib.image
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "chapters"))

import course
import players


@pytest.fixture(scope="module")
def film():
    """The quick film's player without its frames, and the frames as arrays."""
    html = players.player("travel.png", 'Two words, "alternative" text.', quick=True)
    embedded = r'"data:image/png;base64,([^"]+)"'
    frames = [matplotlib.image.imread(io.BytesIO(b64decode(png))) for png in re.findall(embedded, html)]
    return re.sub(embedded, "FRAME", html), np.array(frames), len(html)


def test_a_film_fetches_nothing_and_says_what_one_sees(film):
    player = film[0]
    assert not re.search(r"//[\w.-]+\.|<link|@import|\bsrc=|\bhref=|url\(|\bfa-", player)
    assert 'alt="Two words, &quot;alternative&quot; text."' in player
    buttons = re.findall(r"<button[^>]*>\s*(.*?)\s*</button>", player, re.DOTALL)
    assert len(set(buttons)) == 9
    assert all(len(sign) == 1 for sign in buttons)


def test_a_film_has_every_step_and_ends_with_the_still(film):
    _, frames, size = film
    options = players.travel.OPTIONS | players.travel.QUICK
    assert len(frames) == options["steps"] + 1
    assert all(np.abs(after - before).max() > 0.5 for before, after in pairwise(frames))  # a point has moved
    assert size / len(frames) * (players.travel.OPTIONS["steps"] + 1) < 2e6
    with mpl.rc_context(players.common.STYLE):
        drawn = io.BytesIO()
        players.travel.draw(players.travel.compute(SimpleNamespace(**options))).savefig(drawn)
    still = matplotlib.image.imread(io.BytesIO(drawn.getvalue()))
    from_still = [np.abs(frame[..., :3] - still[..., :3]).mean() for frame in frames]
    assert from_still[-1] < min(from_still[:-1]) / 2  # what is left is that the film has fewer colours


def test_every_film_is_shown():
    shown = {
        Path(path).name
        for page in course.chapters()
        for path in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }
    assert set(players.FILMS) <= shown


def test_the_words_for_a_picture_keep_their_spaces_and_other_lines_their_places():
    pytest.importorskip("sphinx")
    import book

    source = ["Above.\n\n![One line,\nand another.](../a.png)\n\nBelow."]
    book.join_words(None, "", source)
    assert source[0].splitlines() == ["Above.", "", "![One line, and another.](../a.png)", "", "", "Below."]
