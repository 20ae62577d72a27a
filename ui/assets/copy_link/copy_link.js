// Copies the address of the page as it is at that moment; the address holds all of the page's state.

const SHOWN = 2000; // milliseconds for which the button says how it went

export default function (component) {
  const root = component.parentElement;
  const button = root.querySelector("button");
  const said = root.querySelector("[role=status]");
  let timer = 0;
  button.onclick = async () => {
    const done = await copied(window.location.href);
    button.dataset.state = done ? "done" : "failed";
    said.textContent = done ? "Link copied" : "The browser did not let it: copy the address from its bar";
    clearTimeout(timer);
    timer = setTimeout(() => {
      delete button.dataset.state;
      said.textContent = "";
    }, SHOWN);
  };
  return () => clearTimeout(timer);
}

async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // A console on plain http has no clipboard; the older way asks for a selected text.
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.setAttribute("readonly", "");
  field.style.position = "fixed";
  field.style.opacity = "0";
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } catch {
    return false;
  } finally {
    field.remove();
  }
}
