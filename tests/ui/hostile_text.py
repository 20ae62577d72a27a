"""Foreign texts that try to run, to fetch, to disguise themselves or to drive the page."""


def hostile_texts(port: int) -> dict[str, str]:
    """The texts by a short name; whatever they make a browser fetch arrives at ``port`` of the loopback address."""
    address = f"http://127.0.0.1:{port}"
    return {
        "script": "<script>window.hostile = 1; alert(1)</script>",
        "img": f"<img src='{address}/img' onerror='window.hostile = 1; alert(1)'>",
        "link": "[click me](javascript:window.hostile=1)",
        "image": f"![x]({address}/pixel)",
        "entity": "&lt;b&gt; &#60;script&#62; <b>bold</b><br>break<a href='javascript:alert(1)'>a</a>",
        "icon": ":material/home: :material_home: :streamlit: :tada: :+1:",
        "colour": ":red[red] :blue-badge[badge] :shimmer[x] :small[y] :color[z]{background='red'} :help[h]",
        "formula": "$latex^2$ and $$\\frac{1}{2}$$",
        "bare": f"{address}/bare www.example.org mailto:a@example.org b@example.org",
        "arrows": "a -> b <- c <-> d -- e >= f <= g ~= h --- i",
        "blocks": "# head * item 1. one > quote | a | b | ``` `code` ~~~ _em_ ~~gone~~ [^1] {.x}",
        "reference": f"[x]: {address}/reference [x][x] <{address}/auto>",
        "ansi": "\x1b[31mred\x1b[0m \x1b]8;;http://example.org\x1b\\link\x1b]8;;\x1b\\ \x07",
        "bidi": "pay\u202etxt.exe zero\u200bwidth \u2066isolate\u2069",
        "plotly": f"%{{x}} %{{customdata}} <a href='{address}/plotly'>l</a> <span style='x'>s</span> <sup>2</sup>",
        "huge": "<img src=x onerror=alert(1)>" * 37_450,
    }
