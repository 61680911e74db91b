"""Texts that try to become something else on a page. The shared corpus adds its own where it is at hand."""

import ast

from tests.shared_data import SHARED

OWN = (
    "<b>bold</b><script>window.injected = 1</script>",
    "<img src=x onerror='window.injected=1'>",
    "![beacon](http://beacon.invalid/pixel.png)",
    "[press me](javascript:window.injected=1)",
    "**loud** _slanted_ ~~gone~~ `code` # heading",
    ":red[warning] :blue-badge[official] :material/verified: :tada: :streamlit:",
    "$x^2$ and $$\\frac{1}{2}$$",
    "a -> b <- c <-> d -- e >= f <= g ~= h",
    "see http://link.invalid/a www.link.invalid or mail@link.invalid",
    "1. first\n2. second\n> quoted\n--- \n| a | b |",
    "red \u202egpj.exe",
    "&lt;not decoded&gt; &amp; \\*kept\\*",
    "</div></style><style>body{display:none}</style>",
)


def shared_injections() -> dict[str, str]:
    """The `inj_*` texts of the shared corpus by name, read from its source without running it; empty where it is absent."""
    source = SHARED / "hostile" / "make_corpus.py"
    if not source.exists():
        return {}
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict) and any(isinstance(key, ast.Constant) and key.value == "sql_union" for key in node.keys):
            names = [key.value for key in node.keys if isinstance(key, ast.Constant)]
            return {str(name): str(eval_constant(value)) for name, value in zip(names, node.values, strict=True)}
    raise LookupError("make_corpus.py no longer holds the injection texts where they were")


def eval_constant(node: ast.expr) -> str:
    """The text of a literal, or of literals that are added and repeated."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return eval_constant(node.left) + eval_constant(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return eval_constant(node.left) * int(ast.literal_eval(node.right))
    return str(ast.literal_eval(node))


INJECTIONS = (*OWN, *shared_injections().values())
