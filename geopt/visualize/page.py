"""The page that a report is written on: one HTML file that loads nothing, for screens of any width and for paper."""

from __future__ import annotations

from html import escape

STYLE = """
:root{color-scheme:light dark;--page:#fff;--ink:#1c2126;--soft:#5d6670;--rule:#dfe3e7;--line:#2f66c2;--base:#b3581a;--val:#14876b;
--good:#137a55;--bad:#b3312e;--panel:#f6f7f8}
@media screen and (prefers-color-scheme:dark){:root{--page:#14171b;--ink:#e4e7ea;--soft:#98a1ab;--rule:#2d333a;
--line:#7fa8f0;--base:#e39a5f;--val:#4fc3a1;--good:#55c79c;--bad:#f08a80;--panel:#1b1f24}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",sans-serif}
main{max-width:70rem;margin:0 auto;padding:clamp(1.2rem,4vw,3rem) clamp(1rem,4vw,2.5rem) 4rem}
h1{font-size:1.75rem;line-height:1.2;letter-spacing:-.015em;margin:0 0 .4rem;font-weight:650;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.8rem 0 .3rem;padding-top:.9rem;border-top:1px solid var(--rule);font-weight:650}
h3{font-size:.95rem;margin:1.6rem 0 .2rem;font-weight:650}
p{margin:.3rem 0 .9rem;max-width:46rem}
.lead{font-size:1.08rem}
.soft,.none{color:var(--soft)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.82em}
.key{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,10.5rem),1fr));gap:1rem 1.5rem;
margin:1.4rem 0}
.facts div{min-width:0}
.facts .wide{grid-column:1/-1}
dt{color:var(--soft);font-size:.8rem}
dd{margin:0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%;margin:1rem 0 .6rem;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:.55rem .8rem;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:500;color:var(--soft);font-size:.8rem;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;padding-left:0}
th:last-child,td:last-child{text-align:left;padding-right:0}
td{white-space:nowrap}
td:first-child{white-space:normal}
td small{display:block;color:var(--soft);font-size:.8rem;line-height:1.35}
.good{color:var(--good)}.bad{color:var(--bad)}.good,.bad{font-weight:600;text-wrap:balance}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,15rem),1fr));gap:1.4rem 1.6rem;
margin:1rem 0}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,25rem),1fr));gap:2rem;margin:1rem 0}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{font-size:.88rem;line-height:1.4}
figcaption b{font-weight:600}
.curves figcaption{display:flex;justify-content:space-between;gap:1rem;align-items:baseline}
.curves figcaption span{white-space:nowrap;font-variant-numeric:tabular-nums}
svg,img{display:block;width:100%;height:auto}
.line{fill:none;stroke:var(--line);stroke-width:1.7;stroke-linejoin:round}
.band{fill:var(--line);opacity:.18}
.dot{fill:var(--line)}
.validation{fill:none;stroke:var(--val);stroke-width:1.7}
.dot.validation{fill:var(--val);stroke:none}
.baseline{fill:none;stroke:var(--base);stroke-width:1.5;stroke-dasharray:5 4}
.grid{stroke:var(--rule);stroke-width:1;fill:none}
.axis{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
.legend{display:flex;flex-wrap:wrap;gap:.15rem 1.1rem;font-size:.82rem;color:var(--soft);margin:.25rem 0 .1rem;
align-items:center}
.legend i{display:inline-block;width:.75em;height:.75em;margin-right:.45em;border-radius:2px;print-color-adjust:exact;
-webkit-print-color-adjust:exact}
.legend i.ramp{width:7rem;height:.6em;margin:0 .5em}
.dash{display:inline-block;width:1.6em;border-top:2px solid var(--line);vertical-align:.25em;margin-right:.45em}
.dash.constant{border-top:2px dashed var(--base)}.dash.val{border-top-color:var(--val)}
details{margin:1rem 0}
summary{cursor:pointer;font-weight:600}
pre{background:var(--panel);padding:1rem;overflow-x:auto;line-height:1.5;border-radius:4px}
@media (max-width:44rem){
thead{display:none}
table,tbody,tr,td{display:block}
tr{border-bottom:1px solid var(--rule);padding:.7rem 0}
td{border:0;padding:.1rem 0;text-align:left;display:flex;justify-content:space-between;gap:1rem}
td:first-child{display:block;font-weight:600;padding-bottom:.3rem}
td:first-child small,td:first-child code{font-weight:400}
td>span{white-space:normal;text-align:right}
.facts{grid-template-columns:1fr 1fr}
td::before{content:attr(data-label);color:var(--soft);font-size:.88rem}
td:first-child::before{content:none}
td small{display:inline;margin-left:.4em}
td:first-child small{display:block;margin:0}
}
@media print{
@page{margin:14mm}
body{font-size:10.5pt}
main{max-width:none;padding:0}
.curves{grid-template-columns:repeat(3,1fr);gap:.8rem 1rem}
.pictures{grid-template-columns:repeat(2,1fr);gap:1rem}
h2,h3{break-after:avoid}
pre{white-space:pre-wrap;background:none;padding:0}
details::details-content{content-visibility:visible;display:block;height:auto}
}
"""


def page(title: str, body: str) -> str:
    """A whole HTML document; ``body`` is HTML, ``title`` is text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
