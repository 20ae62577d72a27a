// The search field of the Logs page: a combobox (WAI-ARIA) whose list the console makes at each pause of typing.
// What it shows is text from logs: it is set as text and never as markup.

const PAUSE = 120; // milliseconds without a key after which it is asked
const fields = new WeakMap();

export default function (component) {
  const { data, parentElement } = component;
  let field = fields.get(parentElement);
  if (!field) {
    field = made(parentElement);
    fields.set(parentElement, field);
  }
  field.send = component.setTriggerValue;
  field.received(data);
}

function made(root) {
  const input = root.querySelector("input");
  const list = root.querySelector("ul");
  let offered = [];
  let chosen = -1;
  let timer = 0;
  let asked = null; // the question that is under way
  let text = null; // what the address says

  const field = {
    send: () => {},
    address: "",
    received(data) {
      input.placeholder = data.placeholder;
      field.address = data.complete;
      if (data.text !== text) {
        text = data.text;
        if (input.value !== text) input.value = text;
        close();
      }
    },
  };

  const focused = () => input.getRootNode().activeElement === input;

  function show(completions) {
    offered = completions;
    chosen = -1;
    list.replaceChildren(...offered.map(row));
    list.hidden = offered.length === 0;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
  }

  function row(one, number) {
    const item = document.createElement("li");
    item.id = `log-field-${number}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", "false");
    const label = document.createElement("span");
    label.textContent = one.label;
    const help = document.createElement("small");
    help.textContent = one.help;
    item.append(label, help);
    // Not "click": the field would lose the focus before it.
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      accept(number);
    });
    return item;
  }

  function choose(number) {
    const rows = list.children;
    if (rows.length === 0) return;
    if (chosen >= 0) rows[chosen].setAttribute("aria-selected", "false");
    chosen = (number + rows.length) % rows.length;
    rows[chosen].setAttribute("aria-selected", "true");
    rows[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", rows[chosen].id);
  }

  function accept(number) {
    const one = offered[number];
    // Places are counted in characters here and there; what is beyond the first 65,536 of Unicode counts once there.
    const characters = Array.from(input.value);
    const before = characters.slice(0, one.start).join("");
    const after = characters.slice(one.end).join("");
    const space = /[:\[>=< ]$/.test(one.insert) || after.startsWith(" ") ? "" : " ";
    input.value = before + one.insert + space + after;
    const place = before.length + one.insert.length + space.length;
    input.setSelectionRange(place, place);
    close();
    ask(0);
  }

  function close() {
    offered = [];
    chosen = -1;
    list.hidden = true;
    list.replaceChildren();
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function ask(pause) {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      asked?.abort();
      asked = new AbortController();
      const now = input.value;
      const cursor = Array.from(now.slice(0, input.selectionStart ?? now.length)).length;
      const params = new URLSearchParams({ text: now, cursor });
      try {
        const answer = await fetch(`${field.address}&${params}`, { signal: asked.signal });
        const completions = answer.ok ? await answer.json() : [];
        if (input.value === now && focused()) show(completions);
      } catch {
        close(); // another key was pressed meanwhile, or the console does not answer: typing goes on without help
      }
    }, pause);
  }

  function search() {
    clearTimeout(timer);
    asked?.abort();
    close();
    text = input.value;
    field.send("searched", input.value);
  }

  input.addEventListener("input", () => ask(PAUSE));
  input.addEventListener("blur", () => {
    clearTimeout(timer);
    close();
    if (input.value !== text) search();
  });
  input.addEventListener("keydown", (event) => {
    const open = !list.hidden;
    if (event.key === "ArrowDown") {
      if (open) choose(chosen + 1);
      else ask(0);
    } else if (event.key === "ArrowUp" && open) {
      choose(chosen - 1);
    } else if (event.key === "Enter") {
      if (open && chosen >= 0) accept(chosen);
      else search();
    } else if (event.key === "Tab" && open && !event.shiftKey) {
      accept(Math.max(chosen, 0));
    } else if (event.key === "Escape" && open) {
      close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
  return field;
}
