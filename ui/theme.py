"""The style sheet. It is static, without any data, and uses only this app's keys and Streamlit's public `st…` classes."""

import streamlit as st

_SHEET = """
<style>
/* A tile: one frame size, the whole picture inside, two lines of title. */
[class*="st-key-face-"] { position: relative; border-radius: 0.6rem; }
[class*="st-key-face-"] .stElementToolbar, .st-key-asked .stElementToolbar, .st-key-previews .stElementToolbar { display: none; }
[class*="st-key-face-"] .stImage img, .st-key-large .stImage img, .st-key-previews .stImage img {
  width: 100% !important; aspect-ratio: 1; object-fit: contain; border-radius: 0.6rem;
  background: color-mix(in srgb, currentColor 6%, transparent);
}
:is([class*="st-key-face-"], .st-key-large, .st-key-previews) .stElementContainer:has(.stImage) div:not(.stElementToolbar) {
  width: 100% !important;
}
[class*="st-key-face-"] .stText { align-items: flex-start; line-height: 1.3; height: 2.6em; margin-top: 0.35rem; font-size: 0.95rem; }
[class*="st-key-face-"] .stText span {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
  white-space: normal; overflow-wrap: anywhere; max-height: 2.6em;
}

/* The button that opens a tile covers its picture and title. */
[class*="st-key-face-"] [class*="st-key-open-"] { position: absolute; inset: 0; z-index: 1; width: 100%; height: 100%; }
[class*="st-key-open-"] button { position: absolute; inset: 0; width: 100%; height: 100%; max-width: none; opacity: 0; }
[class*="st-key-face-"]:hover img { background: color-mix(in srgb, currentColor 12%, transparent); }
[class*="st-key-face-"]:has(button:focus-visible) { outline: 3px solid #0f8378; outline-offset: 3px; }

/* The score: number and bar on one line. */
[class*="st-key-score-"] { margin-top: 0.35rem; }
[class*="st-key-score-"] .stProgress { display: flex; align-items: center; gap: 0.5rem; }
[class*="st-key-score-"] .stProgress > div:first-child { flex: none; font-variant-numeric: tabular-nums; }
[class*="st-key-score-"] .stProgress > div:first-child, [class*="st-key-score-"] .stProgress > div:first-child * {
  margin: 0; padding: 0; line-height: 1;
}
[class*="st-key-score-"] .stProgress > div:last-child { flex: 1; }

/* Streamlit's accent colour is meant for buttons; as text it would be too dark on a dark background. */
.stButtonGroup button,
[data-testid="stSliderThumbValue"] { color: inherit !important; }

.stCaption, [data-testid="stCaptionContainer"] { opacity: 0.75 !important; }

/* Actions of a tile: the second one shows only its icon. */
[class*="st-key-do-"] { flex-wrap: nowrap; justify-content: space-between; }
[class*="st-key-menu-"] button p { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
[class*="st-key-menu-"] button [aria-hidden="true"]:has(> span) { display: none; }

[class*="st-key-suggest-"], .st-key-asked { row-gap: 0; }
/* An empty job bar takes no space. */
[data-testid="stLayoutWrapper"]:has(> .st-key-jobs:empty) { display: none; }
/* The end of a job and the undo bar: text and buttons side by side, also on a phone. */
.st-key-job-ended, .st-key-undo { flex-wrap: nowrap; }
:is(.st-key-job-ended, .st-key-undo) .stElementContainer:has(.stText) { min-width: 0; }
.st-key-narrow summary, .st-key-narrow summary * { color: inherit !important; opacity: 1 !important; }
/* A caption: picture, score, and its words on two lines at most. */
[class*="st-key-caption-row-"] { flex-wrap: nowrap; }
[class*="st-key-caption-row-"] .stElementContainer:has(button) { min-width: 0; }
.st-key-captions button, .st-key-captions button :is(div, span) { justify-content: flex-start; text-align: left; }
.st-key-captions button p {
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 2; overflow: hidden;
  white-space: normal; overflow-wrap: anywhere; line-height: 1.3;
}
.st-key-captions .stImage img {
  border-radius: 0.4rem; aspect-ratio: 1; object-fit: contain; background: color-mix(in srgb, currentColor 6%, transparent);
}
.st-key-captions .stElementToolbar { display: none; }
.st-key-details-title .stText { font-size: 1.25rem; font-weight: 600; line-height: 1.3; }
.st-key-details-title .stText span, .st-key-asked .stText span { overflow-wrap: anywhere; white-space: normal; }
.st-key-asked .stImage img { border-radius: 0.4rem; aspect-ratio: 1; object-fit: contain; }
.st-key-system p { overflow-wrap: anywhere; }
</style>
"""


def apply() -> None:
    """Add the style sheet to the page."""
    st.html(_SHEET)


_SCRIPT = """
export default function () {
  const typing = (element) => element && (element.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(element.tagName))
  const steps = { ArrowRight: 1, ArrowLeft: -1 }

  const toBox = (event) => {
    const box = document.querySelector("[class*='st-key-words-'] input, [class*='st-key-address-'] input")
    if (!box || typing(document.activeElement)) return
    event.preventDefault()
    box.focus()
    box.select()
  }

  const along = (event) => {
    const here = document.activeElement && document.activeElement.closest("[class*='st-key-open-']")
    if (!here) return
    const tiles = [...here.closest("[class*='st-key-grid-']").querySelectorAll("[class*='st-key-open-'] button")]
    const top = (tile) => Math.round(tile.getBoundingClientRect().top)
    const at = tiles.indexOf(document.activeElement)
    const perRow = tiles.filter((tile) => top(tile) === top(tiles[0])).length
    const step = steps[event.key] || (event.key === "ArrowDown" ? perRow : -perRow)
    const next = tiles[at + step]
    if (!next) return
    event.preventDefault()
    next.focus()
  }

  const onKey = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    if (event.key === "/") toBox(event)
    else if (event.key.startsWith("Arrow")) along(event)
  }

  const onClick = (event) => {
    const bar = event.target.closest("[data-testid='stSidebar']")
    if (!bar || !event.target.closest("[data-testid='stSidebarNavLink']")) return
    const covers = bar.getBoundingClientRect().width > window.innerWidth / 2
    if (covers) bar.querySelector("[data-testid='stSidebarCollapseButton'] button")?.click()
  }

  document.addEventListener("keydown", onKey)
  document.addEventListener("click", onClick)
  return () => {
    document.removeEventListener("keydown", onKey)
    document.removeEventListener("click", onClick)
  }
}
"""

_keys = st.components.v2.component("keyboard", js=_SCRIPT)


def listen() -> None:
    """Install the keyboard shortcuts on this page."""
    _keys(key="keyboard")
