// Draws the charts of a report from the JSON in the page. Colours come from the style sheet (`$good`, `$good/0.3`), so
// that light, dark and print share one palette. All charts keep one x axis: zoom one and the others follow.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  if (!data.charts.length) return;
  if (!window.Plotly) {
    document.querySelector(".missing").hidden = false;
    return;
  }
  const style = () => getComputedStyle(root);
  const px = (name) => parseFloat(style().getPropertyValue(name));
  let range = [0, data.end_s];

  function colour(css, text) {
    const [name, alpha] = text.slice(1).split("/");
    const value = css.getPropertyValue("--" + name).trim();
    if (!alpha) return value;
    const n = parseInt(value.slice(1), 16);
    return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
  }

  // Only values of keys that name a colour are looked at: what people typed can never be taken for one.
  function painted(css, value, key) {
    if (Array.isArray(value)) return value;
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(css, v, k)]));
    }
    return /color$/i.test(key || "") && typeof value === "string" && value[0] === "$" ? colour(css, value) : value;
  }

  const ticks = { vals: [0.1, 1, 10, 100, 1000, 10000, 100000], text: ["0.1 ms ", "1 ms ", "10 ms ", "100 ms ", "1 s ", "10 s ", "100 s "] };

  function layout(css, chart) {
    const read = (name) => css.getPropertyValue(name).trim();
    const bands = data.phases.map((p) => ({
      type: "rect", layer: "below", xref: "x", yref: "paper", x0: p.from_s, x1: p.to_s, y0: 0, y1: 1,
      line: { width: 0 }, fillcolor: read("--band-" + p.kind),
    }));
    const lines = chart.targets.map((t) => ({
      type: "line", xref: t.from_s === null ? "paper" : "x", yref: "y",
      x0: t.from_s === null ? 0 : t.from_s, x1: t.to_s === null ? 1 : t.to_s, y0: t.value, y1: t.value,
      line: { color: read("--ink"), width: 1.2, dash: "2px,3px" },
    }));
    const labels = chart.targets.map((t) => ({
      xref: t.from_s === null ? "paper" : "x", yref: "y", x: t.to_s === null ? 1 : t.to_s,
      y: chart.log ? Math.log10(t.value) : t.value, text: t.text, showarrow: false, xanchor: "right", yanchor: chart.log ? "bottom" : "top",
      font: { size: 11, color: read("--ink") }, bgcolor: read("--card"), opacity: 0.85, borderpad: 1,
    }));
    const y = {
      fixedrange: true, gridcolor: read("--grid"), zeroline: false, tickfont: { size: 11 }, automargin: false,
      hoverformat: ",.4~g", nticks: 5, rangemode: "tozero", ticksuffix: " ",
    };
    if (chart.y_range) y.range = chart.log ? chart.y_range.map(Math.log10) : chart.y_range;
    if (chart.log) Object.assign(y, { type: "log", tickvals: ticks.vals, ticktext: ticks.text, rangemode: "normal" });
    return {
      margin: { l: px("--left"), r: px("--right"), t: 6, b: 24 }, showlegend: false, barmode: chart.stacked ? "stack" : "group",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: chart.hover, hoverdistance: 12,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: read("--muted") },
      hoverlabel: { bgcolor: read("--card"), bordercolor: read("--rule"), font: { size: 12, color: read("--ink") }, namelength: -1 },
      xaxis: {
        range: range.slice(), gridcolor: read("--grid"), zeroline: false, ticksuffix: " s", tickfont: { size: 11 },
        nticks: innerWidth < 640 ? 6 : 12, hoverformat: ".1f", minallowed: 0, maxallowed: data.end_s, showspikes: false,
      },
      yaxis: y, shapes: bands.concat(lines), annotations: labels, dragmode: "zoom",
    };
  }

  const config = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false };
  function drawAll() {
    const css = style();
    return Promise.all(data.charts.map((c) => Plotly.react(c.id, c.traces.map((t) => painted(css, t)), layout(css, c), config)));
  }

  function follow(chart, change) {
    const from = change["xaxis.range[0]"], to = change["xaxis.range[1]"];
    const all = change["xaxis.range"] || (change["xaxis.autorange"] ? [0, data.end_s] : null);
    const next = all || (from !== undefined && to !== undefined ? [from, to] : null);
    if (!next || (Math.abs(next[0] - range[0]) < 1e-6 && Math.abs(next[1] - range[1]) < 1e-6)) return;
    range = [Math.max(0, next[0]), Math.min(data.end_s, next[1])];
    data.charts.forEach((other) => other.id !== chart.id && Plotly.relayout(other.id, { "xaxis.range": range.slice() }));
    document.querySelectorAll(".ruler span").forEach((span) => {
      const at = (t) => ((t - range[0]) / (range[1] - range[0])) * 100;
      const left = Math.max(0, at(+span.dataset.from)), right = Math.min(100, at(+span.dataset.to));
      span.style.left = left + "%";
      span.style.width = Math.max(0, right - left) + "%";
    });
  }

  function crosshair() {
    const stack = document.querySelector(".stack");
    const line = stack.appendChild(document.createElement("div"));
    line.className = "cursor";
    stack.addEventListener("mousemove", (event) => {
      const box = stack.getBoundingClientRect(), plot = document.querySelector(".chart").getBoundingClientRect();
      const x = event.clientX;
      const inside = x >= plot.left + px("--left") && x <= plot.right - px("--right");
      line.style.visibility = inside ? "visible" : "hidden";
      line.style.left = x - box.left + "px";
    });
    stack.addEventListener("mouseleave", () => { line.style.visibility = "hidden"; });
  }

  drawAll().then(() => {
    data.charts.forEach((c) => document.getElementById(c.id).on("plotly_relayout", (change) => follow(c, change)));
    crosshair();
    root.dataset.drawn = data.charts.length;
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  matchMedia("(max-width: 640px)").addEventListener("change", drawAll);
  addEventListener("beforeprint", () => { root.classList.add("print"); drawAll(); });
  addEventListener("afterprint", () => { root.classList.remove("print"); drawAll(); });
  addEventListener("hashchange", () => { const open = document.querySelector(location.hash + "details"); if (open) open.open = true; });
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#lost-"]');
    const open = link && document.getElementById(link.hash.slice(1));
    if (open) open.open = true;
  });
})();
