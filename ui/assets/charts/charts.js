// A finger that begins on a chart scrolls the page: Plotly takes each touch as the beginning of a selection, so none
// reaches it. A tap still shows values, as browsers follow it with the events of a mouse. It shows nothing itself.

const onChart = (target) => target instanceof Element && target.closest(".js-plotly-plot .draglayer") !== null;

let listening = false;

export default function () {
  if (listening) return;
  listening = true;
  document.addEventListener("touchstart", (event) => onChart(event.target) && event.stopPropagation(), {
    capture: true,
    passive: true,
  });
}
