"""What can be measured of a page's looks: contrast of every text, and whether anything runs out of the window."""

from playwright.sync_api import Page

_LOW_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true })
  const rgba = (css) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = css; canvas.fillRect(0, 0, 1, 1)
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data
    return [r, g, b, a / 255]
  }
  const over = (front, back) => [0, 1, 2].map((i) => front[i] * front[3] + back[i] * (1 - front[3]))
  const luminance = (colour) => {
    const [r, g, b] = colour.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const background = (element) => {
    const layers = []
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor)
      if (colour[3] > 0) layers.push(colour)
      if (colour[3] >= 1) break
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255])
  }
  const found = []
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const text = texts.currentNode.textContent.trim()
    const element = texts.currentNode.parentElement
    if (!text || element.closest("style, script, noscript")) continue
    if (element.closest("[data-testid=stIconMaterial], [data-testid=stSliderThumbValue], [data-testid=stStatusWidget]")) continue
    if (element.closest("button:disabled, [aria-hidden=true]")) continue
    const box = element.getBoundingClientRect()
    const style = getComputedStyle(element)
    if (!box.width || !box.height || style.visibility !== "visible") continue
    let opacity = 1
    for (let at = element; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity
    if (!opacity) continue
    const back = background(element)
    const front = rgba(style.color)
    const shown = over([...front.slice(0, 3), front[3] * opacity], back)
    const [high, low] = [luminance(shown), luminance(back)].sort((a, b) => b - a)
    const ratio = (high + 0.05) / (low + 0.05)
    if (ratio < 4.5) found.push(`${text.slice(0, 40)}: ${ratio.toFixed(2)}`)
  }
  return found
}"""


def low_contrast(page: Page) -> list[str]:
    """Texts below the ratio of 4.5 that WCAG 2 AA asks for; what is disabled is exempt."""
    found: list[str] = page.evaluate(_LOW_CONTRAST)
    return found


def width_beyond(page: Page) -> int:
    """How many pixels the page is wider than its window; 0 means nothing scrolls sideways."""
    beyond: int = page.evaluate("Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth)")
    return beyond


def broken_pictures(page: Page) -> int:
    """Pictures in the document that did not load."""
    return int(page.evaluate("[...document.images].filter((image) => image.complete && !image.naturalWidth).length"))


def wait_for_pictures(page: Page) -> None:
    """Until every tile has its picture and every picture in the document is there."""
    page.wait_for_function(
        "[...document.querySelectorAll('[class*=st-key-face-]')].every((tile) => tile.querySelector('img'))"
        " && [...document.images].every((image) => image.complete)"
    )


def nameless_pictures(page: Page) -> list[str]:
    """Pictures without an alt text."""
    return list(page.evaluate("[...document.images].filter((image) => !image.hasAttribute('alt')).map((image) => image.src)"))
