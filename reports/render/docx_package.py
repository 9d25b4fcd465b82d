"""A Word document as a file: its parts, its pictures and what is on every page, as the same bytes each time."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.document import Figure
from reports.render import docx_styles
from reports.render.docx_styles import LANDSCAPE_WIDTH, MARGIN, PAGE_HEIGHT, PAGE_WIDTH, TEXT_WIDTH
from reports.render.docx_text import NAMESPACE, attribute, field, paragraph, run
from reports.render.text_widths import width_of

if TYPE_CHECKING:
    from docx.opc.part import Part
    from docx.package import Package

_PROLOG = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006"
_CONTENT = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_DOCUMENT = "word/document.xml"

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: a zip file cannot be without one."""

_TWIP, _INCH = 635, 914400
"""What they are in the units of drawings."""

_HIGHEST = (PAGE_HEIGHT - 2 * MARGIN) * _TWIP - 1_600_000
"""Height of a picture that leaves its caption on the page of A4, in the units of drawings."""


@dataclass(slots=True)
class WordFile:
    """The parts of a document, gathered while it is written."""

    package: Package
    main: Part
    pictures: int = 0

    @classmethod
    def empty(cls) -> WordFile:
        """Return a file with nothing in it but the part that holds the text, which is filled in at the end."""
        from docx.package import Package

        package = Package()
        main = _part(package, _DOCUMENT, f"{_CONTENT}.document.main+xml", b"")
        package.relate_to(main, f"{_RELATIONSHIPS}/officeDocument")
        return cls(package, main)

    def add(self, name: str, kind: str, content: str) -> str:
        """Add a part of markup, related to the text as of some kind, and return the relation's identifier."""
        blob = (_PROLOG + content).encode()
        part = _part(self.package, f"word/{name}.xml", f"{_CONTENT}.{kind}+xml", blob)
        return self.main.relate_to(part, f"{_RELATIONSHIPS}/{kind}")

    def add_properties(self, title: str, subject: str) -> None:
        """Add what a file's properties say: title and subject, and no author."""
        core = (_PROLOG + docx_styles.core_properties(title, subject)).encode()
        own = "application/vnd.openxmlformats-package.core-properties+xml"
        metadata = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties"
        self.package.relate_to(_part(self.package, "docProps/core.xml", own, core), metadata)
        app = (_PROLOG + docx_styles.app_properties()).encode()
        own = "application/vnd.openxmlformats-officedocument.extended-properties+xml"
        self.package.relate_to(
            _part(self.package, "docProps/app.xml", own, app), f"{_RELATIONSHIPS}/extended-properties"
        )

    def picture(self, figure: Figure, label: str) -> str:
        """Return a run with a figure: as drawn by vectors where Word knows them, else as an image."""
        from docx.image.image import Image

        self.pictures += 1
        image = Image.from_blob(figure.png)
        related = self._media(f"figure-{self.pictures}.png", "image/png", figure.png)
        wide, high = image.px_width * _INCH // image.horz_dpi, image.px_height * _INCH // image.vert_dpi
        scale = min(1.0, TEXT_WIDTH * _TWIP / wide, _HIGHEST / high)
        vectors = self._vectors(figure)
        return _picture(
            figure, label, self.pictures, related, vectors, (round(wide * scale), round(high * scale))
        )

    def _vectors(self, figure: Figure) -> str:
        """Return what leads a picture to its drawing by vectors; nothing where Word could not draw it."""
        drawing = plain_svg(figure.svg)
        if drawing is None:
            return ""
        related = self._media(f"figure-{self.pictures}.svg", "image/svg+xml", (_PROLOG + drawing).encode())
        return (
            '<a:extLst><a:ext uri="{96DAC541-7B7A-43D3-8B79-37D633B846F1}">'
            '<asvg:svgBlip xmlns:asvg="http://schemas.microsoft.com/office/drawing/2016/SVG/main" '
            f'r:embed="{related}"/></a:ext></a:extLst>'
        )

    def _media(self, name: str, kind: str, blob: bytes) -> str:
        part = _part(self.package, f"word/media/{name}", kind, blob)
        return self.main.relate_to(part, f"{_RELATIONSHIPS}/image")

    def written(self, text: Iterable[str]) -> bytes:
        """Return the whole file.

        Parameters
        ----------
        text
            Markup of the body, piece by piece: it is pressed as it comes, since a listing is long.
        """
        gathered, file = io.BytesIO(), io.BytesIO()
        self.package.save(gathered)
        with (
            zipfile.ZipFile(gathered) as parts,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        ):
            # [Content_Types].xml comes first, as readers that look at a stream expect; the rest by name.
            for name in sorted(parts.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
                entry = zipfile.ZipInfo(name, _EPOCH)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = entry.external_attr = 0
                with archive.open(entry, "w", force_zip64=False) as target:
                    pieces = _document(text) if name == _DOCUMENT else [parts.read(name)]
                    for piece in pieces:
                        target.write(piece)
        return file.getvalue()


def _part(package: Package, name: str, kind: str, blob: bytes) -> Part:
    from docx.opc.packuri import PackURI
    from docx.opc.part import Part

    return Part(PackURI(f"/{name}"), kind, blob, package)


_GATHERED = 1 << 20
"""Letters that are pressed at once."""


def _document(text: Iterable[str]) -> Iterator[bytes]:
    """Yield the part that holds the text."""
    yield (
        f'{_PROLOG}<w:document xmlns:w="{NAMESPACE}" xmlns:r="{_RELATIONSHIPS}" '
        f'xmlns:wp="{_DRAWING}/wordprocessingDrawing" xmlns:a="{_DRAWING}/main" '
        f'xmlns:pic="{_DRAWING}/picture"><w:body>'
    ).encode()
    held: list[str] = []
    size = 0
    for piece in text:
        held.append(piece)
        size += len(piece)
        if size > _GATHERED:
            yield "".join(held).encode()
            held, size = [], 0
    yield ("".join(held) + "</w:body></w:document>").encode()


def _picture(
    figure: Figure, label: str, number: int, related: str, vectors: str, extent: tuple[int, int]
) -> str:
    size = f'cx="{extent[0]}" cy="{extent[1]}"'
    named = f'id="{number}" name="{attribute(label)}" descr="{attribute(figure.alt_text)}"'
    return (
        '<w:r><w:drawing><wp:inline distT="0" distB="0" distL="0" distR="0">'
        f"<wp:extent {size}/><wp:docPr {named}/>"
        '<wp:cNvGraphicFramePr><a:graphicFrameLocks noChangeAspect="1"/></wp:cNvGraphicFramePr>'
        f'<a:graphic><a:graphicData uri="{_DRAWING}/picture"><pic:pic><pic:nvPicPr><pic:cNvPr {named}/>'
        f'<pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip r:embed="{related}">{vectors}</a:blip>'
        "<a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm>"
        f'<a:off x="0" y="0"/><a:ext {size}/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr>'
        "</pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )


_INK = "#1b1d21"
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_KNOWN_STYLE = re.compile(
    r"\s*(?:#[\w-]+ )?\* ?\{stroke-linejoin: round; stroke-linecap: butt\}\s*"
    r"(?:svg:root \{[^}]*\}\s*)?(?:@media \(prefers-color-scheme: dark\) \{svg:root \{[^}]*\}\}\s*)?"
)
_EMPTY_DEFINITIONS = re.compile(r"<defs>\s*</defs>\s*")


def plain_svg(svg: str) -> str | None:
    """Return a figure's SVG as Word draws it, without style sheets and with ink of one colour.

    Parameters
    ----------
    svg
        As a figure has it, for pages that are light or dark.

    Returns
    -------
    str or None
        None where a style sheet says more than attributes of the whole drawing can: Word ignores most sheets.
    """
    start = svg.find("<svg")
    if start < 0 or not all(_KNOWN_STYLE.fullmatch(sheet) for sheet in _STYLE.findall(svg)):
        return None
    drawing = _EMPTY_DEFINITIONS.sub("", _STYLE.sub("", svg[start:]))
    drawing = drawing.replace("currentColor", _INK)
    head, body = drawing.split(">", 1)
    head = re.sub(r'\s(?:id|class|role|aria-[a-z]+)="[^"]*"', "", head)
    return f'{head} stroke-linejoin="round" stroke-linecap="butt">{body}'


@dataclass(frozen=True, slots=True)
class Running:
    """What stands at the head and the foot of pages: the relations of its parts.

    Parameters
    ----------
    header, footer
        On every page.
    first
        The header of the first page, which names the trial in the text.
    """

    header: str
    footer: str
    first: str = ""


def section(landscape: bool, running: Running) -> str:
    """Return the properties of a section of pages.

    Parameters
    ----------
    landscape
        Whether its pages lie on their side.
    running
        Its header and footer.
    """
    width, height = (PAGE_HEIGHT, PAGE_WIDTH) if landscape else (PAGE_WIDTH, PAGE_HEIGHT)
    turned = ' w:orient="landscape"' if landscape else ""
    first = ""
    if running.first:
        first = (
            f'<w:headerReference w:type="first" r:id="{running.first}"/>'
            f'<w:footerReference w:type="first" r:id="{running.footer}"/>'
        )
    return (
        f'<w:sectPr><w:headerReference w:type="default" r:id="{running.header}"/>'
        f'<w:footerReference w:type="default" r:id="{running.footer}"/>{first}<w:type w:val="nextPage"/>'
        f'<w:pgSz w:w="{width}" w:h="{height}"{turned}/>'
        f'<w:pgMar w:top="{MARGIN}" w:right="{MARGIN}" w:bottom="{MARGIN}" w:left="{MARGIN}" '
        f'w:header="624" w:footer="624" w:gutter="0"/>{"<w:titlePg/>" if first else ""}</w:sectPr>'
    )


_HEAD_RULE = '<w:pBdr><w:bottom w:val="single" w:sz="4" w:space="3" w:color="A6A6A6"/></w:pBdr>'


def add_running(file: WordFile, identifier: str, stamp: str, landscape: bool) -> Running:
    """Add what stands at the head and foot of every page of one way up."""
    width = LANDSCAPE_WIDTH if landscape else TEXT_WIDTH
    name = "landscape" if landscape else "portrait"
    tab = f'<w:tabs><w:tab w:val="right" w:pos="{width}"/></w:tabs>'
    stamped = run(stamp, "<w:b/><w:bCs/>")
    gap = "<w:r><w:tab/></w:r>"
    # Measured as Times in a larger size than the header's Arial, which is that much wider.
    taken = width_of(f"{identifier}    ", 18) + width_of(stamp, 19, bold=True)
    if taken < width:
        head = paragraph("Header", run(identifier) + (gap + stamped if stamp else ""), _HEAD_RULE + tab)
    else:
        head = paragraph("Header", run(identifier)) + paragraph("Header", stamped, _HEAD_RULE)
    page = run("Page ") + field("PAGE", run("1")) + run(" of ") + field("NUMPAGES", run("1"))
    return Running(
        file.add(f"header-{name}", "header", _header(head)),
        file.add(
            f"footer-{name}",
            "footer",
            f'<w:ftr xmlns:w="{NAMESPACE}">{paragraph("Footer", gap + page, tab)}</w:ftr>',
        ),
        "" if landscape else file.add("header-first", "header", _header(_first_header(stamped))),
    )


def _first_header(stamped: str) -> str:
    return paragraph("Header", stamped, _HEAD_RULE if stamped else "")


def _header(content: str) -> str:
    return f'<w:hdr xmlns:w="{NAMESPACE}">{content}</w:hdr>'
