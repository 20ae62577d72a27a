// Tells whether the screen is as narrow as a phone's, and when that changes; it shows nothing itself.

const NARROW = matchMedia("(max-width: 640px)");

export default function (component) {
  const { data, setStateValue } = component;
  const tell = () => setStateValue("narrow", NARROW.matches);
  if (NARROW.matches !== Boolean(data?.narrow)) tell();
  const watching = new AbortController();
  NARROW.addEventListener("change", tell, { signal: watching.signal });
  return () => watching.abort();
}
