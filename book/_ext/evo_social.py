"""The picture of a link: a page's title beside its figure, as PNG, drawn with Matplotlib alone.

Matplotlib writes SVG but does not read it. `Reader` reads as much of it as Matplotlib writes and as the map needs: paths,
rectangles, text, pictures, references, translations and scales.
"""

import base64
import io
import re
import textwrap
from xml.etree import ElementTree as ET

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.transforms import Affine2D

WIDTH, HEIGHT = 1200, 630
NUMBER = r"[-+]?(?:\d*\.\d+|\d+\.?)(?:[eE][-+]?\d+)?"
STYLE = {  # the map's own classes, on white
    "language": "#1f5fbf", "vision": "#a94e06", "both": "#7a3bbd", "merged": "#0b6e63",
}
LABEL = {"text-anchor": "middle", "font-size": "12.5px"}
CODES = {"M": Outline.MOVETO, "L": Outline.LINETO, "Q": Outline.CURVE3, "C": Outline.CURVE4}


def outline(d):
    """An SVG path's data as vertices and codes."""
    vertices, codes, here, start = [], [], np.zeros(2), np.zeros(2)
    for command, text in re.findall(r"([a-zA-Z])([^a-zA-Z]*)", re.sub(r"(?<=\d)[eE](?=[-+]?\d)", "~", d)):
        numbers = [float(n) for n in re.findall(NUMBER, text.replace("~", "e"))]
        up, off = command.upper(), here if command.islower() else np.zeros(2)
        if up == "Z":
            vertices.append(start)
            codes.append(Outline.CLOSEPOLY)
            here = start
        elif up in "HV":
            for n in numbers:
                here = np.array([n + off[0], here[1]] if up == "H" else [here[0], n + off[1]])
                vertices.append(here)
                codes.append(Outline.LINETO)
        elif up in CODES:
            size = {"M": 2, "L": 2, "Q": 4, "C": 6}[up]
            for i in range(0, len(numbers), size):
                points = np.array(numbers[i : i + size]).reshape(-1, 2) + off
                vertices += list(points)
                code = CODES["L" if up == "M" and i else up]
                codes += [code] * len(points)
                here = points[-1]
                off = here if command.islower() else off
                start = here if up == "M" and not i else start
    return Outline(vertices, codes) if vertices else None


def moved(text):
    """An SVG `transform`."""
    found = Affine2D()
    for name, numbers in reversed(re.findall(r"(\w+)\(([^)]*)\)", text or "")):
        n = [float(x) for x in re.findall(NUMBER, numbers)]
        if name == "translate":
            found = found.translate(n[0], n[1] if len(n) > 1 else 0)
        elif name == "scale":
            found = found.scale(n[0], n[-1])
        elif name == "rotate":
            found = found.rotate_deg_around(*(n[1:] or (0, 0)), n[0])
        elif name == "matrix":
            found = found + Affine2D(np.array([[n[0], n[2], n[4]], [n[1], n[3], n[5]], [0, 0, 1]]))
    return found


def tag(node):
    return node.tag.rsplit("}", 1)[-1] if isinstance(node.tag, str) else ""


class Reader:
    """Draws an SVG's elements on axes whose coordinates are those of its viewBox."""

    def __init__(self, svg, ax, scale):
        self.ax, self.scale, self.order = ax, scale, 0
        self.root = ET.fromstring(svg)
        self.known = {node.get("id"): node for node in self.root.iter() if node.get("id")}
        self.draw(self.root, Affine2D(), {})

    def draw(self, node, place, above):
        kind = tag(node)
        if kind in ("defs", "metadata", "title", "desc", "style", "clipPath", "marker", "linearGradient"):
            return
        style = above | {k: node.get(k) for k in ("fill", "stroke", "opacity", "stroke-width", "text-anchor", "class") if node.get(k)}
        style |= {k.strip(): v.strip() for k, v in re.findall(r"([\w-]+):([^;]+)", node.get("style", ""))}
        style = themed(kind, style)
        place = moved(node.get("transform")) + place
        if kind == "path":
            self.shape(outline(node.get("d", "")), place, style)
        elif kind in ("rect", "line", "circle"):
            self.shape(simple(kind, node), place, style)
        elif kind == "text":
            self.text(node, place, style)
        elif kind == "image":
            self.image(node, place)
        elif kind == "use":
            target = self.known.get((node.get("href") or node.get("{http://www.w3.org/1999/xlink}href") or "#")[1:])
            if target is not None:
                self.draw(target, Affine2D().translate(*(float(node.get(k, 0)) for k in "xy")) + place, style)
        for child in node:
            self.draw(child, place, style)

    def add(self, artist):
        self.order += 1
        artist.set_zorder(self.order)
        return artist

    def shape(self, path, place, style):
        if path is None:
            return
        alpha = float(style.get("opacity", 1))
        painted = lambda k, default: colour(style.get(k, default), alpha * float(style.get(f"{k}-opacity", 1)))
        fill, edge = painted("fill", "#000"), painted("stroke", "none")
        width = float(re.match(NUMBER, str(style.get("stroke-width", 1)))[0]) * np.sqrt(abs(np.linalg.det(place.get_matrix()[:2, :2])))
        patch = PathPatch(place.transform_path(path), facecolor=fill, edgecolor=edge, linewidth=width * self.scale, joinstyle="round")
        dashes = [float(n) for n in re.findall(NUMBER, str(style.get("stroke-dasharray", "")))]
        if dashes and edge[3]:
            patch.set_linestyle((0, [n / max(width, 1e-6) for n in dashes] * (1 + len(dashes) % 2)))
        self.ax.add_patch(self.add(patch))

    def text(self, node, place, style):
        size = re.search(rf"({NUMBER})px", f"{style.get('font', '')} {style.get('font-size', '')}")
        size = float(size[1]) if size else 12.0
        for part in [node, *node] if node.text is None or not node.text.strip() else [node]:
            said = "".join(part.itertext()) if part is node and not len(node) else (part.text or "")
            if not said.strip():
                continue
            x, y = place.transform((float((part.get("x") or "0").split()[0]), float((part.get("y") or "0").split()[0])))
            a, b = place.get_matrix()[:2, 0]
            bold = "bold" if re.search(r"\b[67]\d\d\b|bold", f"{style.get('font', '')} {style.get('font-weight', '')}") else "normal"
            where = {"middle": "center", "end": "right"}.get(style.get("text-anchor"), "left")
            look = dict(fontsize=size * np.hypot(a, b) * self.scale, color=colour(style.get("fill", "#000"), 1), ha=where, va="baseline")
            self.add(self.ax.text(x, y, said, rotation=-np.degrees(np.arctan2(b, a)), rotation_mode="anchor", fontweight=bold, **look))

    def image(self, node, place):
        address = node.get("href") or node.get("{http://www.w3.org/1999/xlink}href") or ""
        if not address.startswith("data:image/png;base64,"):
            return
        from PIL import Image

        picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",", 1)[1]))).convert("RGBA"))
        x, y, w, h = (float(node.get(k, 0)) for k in ("x", "y", "width", "height"))
        corners = place.transform([(x, y), (x + w, y + h)])
        flipped = picture[:: (1 if corners[1, 1] > corners[0, 1] else -1)]
        (left, right), (top, bottom) = sorted(corners[:, 0]), sorted(corners[:, 1])
        self.add(self.ax.imshow(flipped, extent=(left, right, bottom, top), interpolation="nearest", aspect="auto"))


def themed(kind, style):
    """The colours that the map takes from the style sheet."""
    words = style.get("class", "").split()
    stream = next((STYLE[w] for w in words if w in STYLE), None)
    if "river" in words:
        return style | {"fill": stream, "opacity": 0.12}
    if "arrow" in words:
        return style | {"fill": "none", "stroke": "#55606f", "opacity": 0.5, "stroke-width": 1.3}
    if "year" in words:
        return style | {"fill": "#55606f", "text-anchor": "middle", "font-size": "12px"}
    if "stream" in words and kind == "text":
        return style | {"fill": stream, "font-size": "19px", "font-weight": "700"}
    if "node" in words and "open" in words:
        return style | ({"fill": stream, "stroke": stream} if kind == "rect" else {"fill": "#fff", "font-weight": "600", **LABEL})
    if "node" in words:
        return style | ({"fill": "#fff", "stroke": stream} if kind == "rect" else {"fill": "#17202e", **LABEL})
    return style


def simple(kind, node):
    at = lambda *names: [float(node.get(name, 0)) for name in names]
    if kind == "line":
        return Outline(np.array(at("x1", "y1", "x2", "y2")).reshape(2, 2))
    if kind == "circle":
        x, y, r = at("cx", "cy", "r")
        return Outline.circle((x, y), r)
    x, y, w, h = at("x", "y", "width", "height")
    return Outline([(x, y), (x + w, y), (x + w, y + h), (x, y + h), (x, y)], closed=True)


def colour(value, alpha):
    value = (value or "").strip().strip("'")
    if value in ("none", "") or value.startswith("url"):
        return (0, 0, 0, 0)
    try:
        return to_rgba(value, min(1.0, alpha))
    except ValueError:  # currentColor, var(--...)
        return to_rgba("#17202e", min(1.0, alpha))


def draw(path, title, book, svg):
    """Write the PNG: the page's title and the book's name, and the figure on a white card, below if it is wide or beside."""
    figure = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100, facecolor="#10151d")
    x, y, w, h = (float(n) for n in re.search(r'viewBox="([^"]+)"', svg)[1].split())
    left, bottom, wide, high = (0.04, 0.06, 0.92, 0.53) if w / h > 1.7 else (0.45, 0.06, 0.51, 0.88)
    lines = textwrap.wrap(title, 38 if wide > 0.6 else 17)
    figure.text(0.042, 0.93, book, fontsize=15, color="#a7b1c0", va="top")
    big = dict(fontsize=34 if len(lines) < 5 else 27, color="#ffffff", fontweight="bold", linespacing=1.2)
    figure.text(0.042, 0.85, "\n".join(lines), va="top", **big)
    card = figure.add_axes((left, bottom, wide, high))
    card.set(xticks=[], yticks=[], facecolor="#ffffff")
    card.spines[:].set_visible(False)
    fit = min((wide - 0.03) * WIDTH / w, (high - 0.05) * HEIGHT / h)
    width, height = w * fit / WIDTH, h * fit / HEIGHT
    ax = figure.add_axes((left + (wide - width) / 2, bottom + (high - height) / 2, width, height))
    ax.set_axis_off()
    Reader(svg, ax, fit * 72 / 100)
    ax.set(xlim=(x, x + w), ylim=(y + h, y), aspect="auto")
    figure.savefig(path, metadata={"Software": None})
