"""The keyboard: `/` goes to the box, arrows walk from tile to tile; and on a phone the side bar folds once a page was chosen in it.

A static script without data.
"""

import streamlit as st

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
    """Make the keys work on this page."""
    _keys(key="keyboard")
