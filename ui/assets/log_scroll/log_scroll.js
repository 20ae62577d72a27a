// Tells when a reader scrolls within the panel that this stands in; it shows nothing itself.

const KEYS = new Set(["ArrowDown", "ArrowUp", "PageDown", "PageUp", "End", "Home"]);

export default function (component) {
  const { parentElement, setTriggerValue } = component;
  const inside = parentElement.getRootNode().host ?? parentElement;
  const panel = inside.closest('[class*="st-key-panel-"]');
  if (!panel) return;
  const watching = new AbortController();
  const told = () => {
    watching.abort();
    setTriggerValue("scrolled", true);
  };
  const options = { signal: watching.signal, passive: true, capture: true };
  panel.addEventListener("wheel", (event) => event.deltaY !== 0 && told(), options);
  panel.addEventListener("touchmove", told, options);
  panel.addEventListener("keydown", (event) => KEYS.has(event.key) && told(), options);
  return () => watching.abort();
}
