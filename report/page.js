// One cross-hair over all plots: the update under the pointer, and its values in
// every legend. The page is complete without it.
(() => {
  const plots = [...document.querySelectorAll("svg[data-plot]")].map(svg => {
    const [x0, w, lo, hi] = svg.dataset.plot.split(" ").map(Number);
    const fig = svg.closest("figure");
    return {svg, x0, w, lo, hi, data: DATA.charts[fig.id], out: [...fig.querySelectorAll("output")], cross: svg.querySelector(".cross")};
  });
  const num = v => String(+v.toPrecision(3));
  const text = (v, pct) => v == null ? "-" : pct ? (100 * v).toFixed(1) + "%"
    : v === 0 ? "0" : v >= 1e12 ? v.toExponential(1) : v >= 1e9 ? num(v / 1e9) + "G" : v >= 1e6 ? num(v / 1e6) + "M" : v >= 1e4 ? num(v / 1e3) + "k"
    : Math.abs(v) >= 1e4 || Math.abs(v) < 1e-3 ? v.toExponential(1) : num(v);
  const show = i => {
    for (const p of plots) {
      const x = p.x0 + p.w * (p.hi > p.lo ? (DATA.x[i] - p.lo) / (p.hi - p.lo) : 0.5);
      p.cross.setAttribute("x1", x);
      p.cross.setAttribute("x2", x);
      p.cross.style.visibility = "visible";
      p.out.forEach((o, k) => { o.value = text(p.data.y[k][i], p.data.pct); });
    }
  };
  const hide = () => {
    for (const p of plots) {
      p.cross.style.visibility = "hidden";
      for (const o of p.out) o.value = o.dataset.last;
    }
  };
  for (const p of plots) {
    p.svg.addEventListener("pointermove", e => {
      const box = p.svg.getBoundingClientRect();
      const at = (e.clientX - box.left) / box.width * p.svg.viewBox.baseVal.width;
      const update = p.lo + (at - p.x0) / p.w * (p.hi - p.lo);
      let best = 0;
      DATA.x.forEach((u, i) => { if (Math.abs(u - update) < Math.abs(DATA.x[best] - update)) best = i; });
      if (DATA.x.length) show(best);
    });
    p.svg.addEventListener("pointerleave", hide);
  }
})();
