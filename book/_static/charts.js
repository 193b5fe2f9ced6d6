// Replaces the static picture of each chart by the live one. Vega comes from this book, never from a network,
// and is loaded only on pages that have a chart.
(() => {
  const statics = new URL(".", document.currentScript.src);
  const BREAK = 560;
  const STACKED = { top: { direction: "vertical", anchor: "start", margin: 6 } };

  // The same rule as `sized` in overopt/report/charts.py.
  function sized(source, width) {
    const spec = structuredClone(source);
    const narrow = width < BREAK;
    if (narrow) {
      spec.config = spec.config || {};
      spec.config.legend = Object.assign({}, spec.config.legend, { columns: 4, layout: STACKED });
    }
    if (spec.concat) {
      const columns = narrow ? 1 : 2;
      spec.columns = columns;
      for (const view of spec.concat) view.width = Math.floor((width - 30 * (columns - 1)) / columns - 50);
    } else {
      spec.width = width;
      spec.autosize = { type: "fit-x", contains: "padding" };
    }
    return spec;
  }

  async function draw(chart) {
    const width = Math.floor(chart.clientWidth);
    if (!width || chart.dataset.width === String(width)) return;
    chart.dataset.width = width;
    const spec = JSON.parse(chart.querySelector("script").textContent);
    const live = document.createElement("div");
    live.className = "oo-live";
    const options = { renderer: "svg", actions: { export: true, source: false, compiled: false, editor: false } };
    const old = chart.view;
    chart.append(live);
    chart.view = (await window.vegaEmbed(live, sized(spec, width), options)).view;
    if (old) old.finalize();
    chart.querySelectorAll(".oo-live").forEach((one) => one !== live && one.remove());
    chart.classList.add("oo-drawn");
  }

  function start() {
    const charts = [...document.querySelectorAll(".oo-chart")];
    if (!charts.length) return;
    const script = document.createElement("script");
    script.src = new URL("vega/vega-bundle.js", statics);
    script.onload = () => {
      const wait = new Map();
      const observer = new ResizeObserver((entries) => {
        for (const { target } of entries) {
          clearTimeout(wait.get(target));
          wait.set(target, setTimeout(() => draw(target), 150));
        }
      });
      charts.forEach((chart) => draw(chart).then(() => observer.observe(chart)));
    };
    document.head.append(script);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
