// Writes the address of a link that leads to the page it stands on: Streamlit runs the page anew with the link's
// parameters and leaves the address as it was, so that it could not be copied, reloaded or gone back from.

const LINK = 'a[data-testid="stPageLink-NavLink"]';

function follow(event) {
  const link = event.target.closest?.(LINK);
  // A click that Streamlit did not take for its own opens a tab, and that one has its address from the start.
  if (!link || !event.defaultPrevented) return;
  const to = new URL(link.href);
  if (to.origin === location.origin && to.pathname === location.pathname && to.search !== location.search)
    history.pushState({}, "", to.href);
}

export default function () {
  const watching = new AbortController();
  document.addEventListener("click", follow, { signal: watching.signal });
  return () => watching.abort();
}
