// Puts the live chart in the place of its picture. The two specs in the page were sized by overopt/report/charts.py.
(() => {
  const chart = document.querySelector(".own-chart");
  const specs = JSON.parse(chart.querySelector("script").textContent);
  let drawn = 0, view = null, wait = 0;

  async function draw() {
    const width = Math.floor(chart.clientWidth);
    if (!width || width === drawn) return;
    drawn = width;
    const spec = structuredClone(width < specs.break ? specs.narrow : specs.wide);
    spec.width = width;
    const live = document.createElement("div");
    live.className = "own-live";
    chart.append(live);
    const options = { renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } };
    const old = view;
    view = (await window.vegaEmbed(live, spec, options)).view;
    if (old) old.finalize();
    chart.querySelectorAll(".own-live").forEach((one) => one !== live && one.remove());
    chart.classList.add("own-drawn");
  }

  draw().then(() => new ResizeObserver(() => { clearTimeout(wait); wait = setTimeout(draw, 150); }).observe(chart));
})();
