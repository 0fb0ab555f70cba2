"""Films in the book: a still that has a film becomes a player, self-contained, with every frame in it."""

import re
import sys
from base64 import b64decode, b64encode
from html import escape
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import matplotlib as mpl
from PIL import Image

FIGURES = Path(__file__).parent.parent / "figures"
sys.path.insert(0, str(FIGURES))

import common  # noqa: E402
import travel  # noqa: E402

FILMS = {"travel.png": travel}

# matplotlib's player takes the signs on its buttons from a font on the web. These are in every font.
SIGNS = {
    "minus": "−",
    "fast-backward": "«",
    "step-backward": "‹",
    "play fa-flip-horizontal": "◂",
    "pause": "‖",
    "play": "▸",
    "step-forward": "›",
    "fast-forward": "»",
    "plus": "+",
}


def player(still: str, words: str, *, quick: bool = False) -> str:
    """Compute and draw the film of a still, and give its player as HTML; `words` say what one sees.

    Parameters
    ----------
    still : str
        The picture's file name, one of FILMS.
    words : str
        The alternative text of every frame.
    quick : bool
        The small version, as `--quick` gives it.
    """
    figure = FILMS[still]
    options = figure.OPTIONS | (figure.QUICK if quick else {})
    with mpl.rc_context(common.STYLE):
        html = figure.animate(figure.compute(SimpleNamespace(**options))).to_jshtml()
    return _smaller(_at_home(html, Path(still).stem, words))


def _at_home(html: str, name: str, words: str) -> str:
    """Take out what the player would fetch, and give it a name that does not change from build to build, and words."""
    html = re.sub(r"<link\b[^>]*>", "", html)
    for sign, character in SIGNS.items():
        html = html.replace(f'<i class="fa fa-{sign}"></i>', character)
    drawn = re.search(r'<img id="_anim_img(\w+)"', html)
    html = html.replace(drawn[0], f'{drawn[0]} alt="{escape(words)}"').replace(drawn[1], f"_{name}")
    return html.replace("<input id=", '<input aria-label="Step of the film" id=', 1)


def _smaller(html: str) -> str:
    """Give every frame 256 colours, plenty for a drawing, and a third of its bytes."""
    return re.sub(r"(?<=data:image/png;base64,)[^\"]+", lambda frame: _few_colours(frame[0]), html)


def _few_colours(frame: str) -> str:
    png, smaller = b64decode(frame), BytesIO()  # decoding skips the backslashes at the ends of lines
    drawing = Image.open(BytesIO(png)).convert("RGB")
    drawing.quantize(256, Image.Quantize.MAXCOVERAGE).save(smaller, "png", optimize=True)
    return b64encode(smaller.getvalue()).decode()
