// Pictures: a recording's outline, two sounds side by side, levels, and the curve of a training.

import { el, svg } from './ui.js';

/** The outline of a recording, in the colour of what it stands in. */
export function wave(outline) {
  const count = outline.low.length;
  const peak = Math.max(1e-6, ...outline.high.map(Math.abs), ...outline.low.map(Math.abs));
  const columns = 600;
  let d = '';
  for (let x = 0; x < columns; x++) {
    const from = Math.floor((x * count) / columns);
    const to = Math.max(from + 1, Math.floor(((x + 1) * count) / columns));
    const low = Math.min(...outline.low.slice(from, to));
    const high = Math.max(...outline.high.slice(from, to));
    d += `M${x}.5 ${(50 - (48 * high) / peak).toFixed(1)}V${(50.5 - (48 * low) / peak).toFixed(1)}`;
  }
  return el('div', { class: 'wave', 'aria-hidden': 'true' },
    svg('svg', { viewBox: `0 0 ${columns} 100`, preserveAspectRatio: 'none' }, svg('path', { d })));
}

/** The first strong attack of a recording, in frames. */
export function attack(outline) {
  const { high, low, rate, seconds } = outline;
  const size = high.map((h, i) => Math.max(h, -low[i]));
  const peak = Math.max(...size);
  let best = 0;
  let most = -1;
  for (let i = 3; i < size.length; i++) {
    const before = Math.max(size[i - 1], size[i - 2], size[i - 3], peak / 1000);
    const rise = size[i] > peak / 5 ? size[i] / before : 0;
    if (rise > most) [most, best] = [rise, i];
  }
  return Math.max(0, Math.round((best / size.length) * seconds * rate) - 64);
}

/** Where in some samples the attack is: the first of a third of their peak. */
export function onset(samples) {
  const peak = Math.max(...samples.map(Math.abs));
  return Math.max(0, samples.findIndex((x) => Math.abs(x) > peak / 3));
}

/** Dry and wet around one attack: as recorded, and with the delay taken off. */
export function alignment(dry, wet, latency, rate) {
  const length = Math.min(dry.length, wet.length, 600);
  const line = (samples, shift, tint) => {
    const peak = Math.max(1e-6, ...samples.map(Math.abs));
    let d = '';
    for (let x = 0; x < length; x++) {
      const y = samples[x + shift];
      if (y !== undefined) d += `${d ? 'L' : 'M'}${x} ${(50 - (46 * y) / peak).toFixed(1)}`;
    }
    return svg('path', { d, class: `line tint-${tint}` });
  };
  const picture = (shift, text) => el('figure', { class: 'pair' },
    el('div', { class: 'wave', role: 'img', 'aria-label': text },
      svg('svg', { viewBox: `0 0 ${length} 100`, preserveAspectRatio: 'none' }, line(dry, Math.max(0, -shift), 'dry'), line(wet, Math.max(0, shift), 'wet'))),
    el('figcaption', { class: 'small' }, text));
  const ms = ((1000 * latency) / rate).toFixed(2);
  if (latency === 0) return el('div', { class: 'pairs' }, picture(0, 'One attack closely: there is no delay'));
  return el('div', { class: 'pairs' },
    picture(0, 'As recorded, one attack closely'), picture(latency, `Aligned: the delay of ${latency} samples (${ms} ms) taken off`));
}

/** How loud the playing gets, from soft to loud, on a scale to 0 dBFS. */
export function levels(sides) {
  const place = (db) => Math.max(0, Math.min(100, ((db + 80) / 80) * 100));
  const bars = sides.filter((side) => side.levels).map(({ name, levels: range }, at) => {
    const [from, to] = [place(range.softest_dbfs), place(range.loudest_dbfs)];
    const text = `${name}: ${range.softest_dbfs.toFixed(0)} to ${range.loudest_dbfs.toFixed(0)} dBFS`;
    return el('div', { class: 'level' }, el('span', { class: 'small' }, text),
      svg('svg', { viewBox: '0 0 100 6', preserveAspectRatio: 'none', role: 'img', 'aria-label': text },
        svg('rect', { x: 0, y: 0, width: 100, height: 6, class: 'track' }),
        svg('rect', { x: from, y: 0, width: Math.max(1, to - from), height: 6, class: `bar tint-${at ? 'wet' : 'dry'}` })));
  });
  return el('div', { class: 'levels' }, bars, el('p', { class: 'scale small', 'aria-hidden': 'true' }, el('span', {}, '−80 dBFS'), el('span', {}, '0 dBFS')));
}

/** The curve of a training: error by epoch, both sides of it on a scale of ratios. */
export class Curve {
  constructor() {
    this.rows = [];
    this.drawing = svg('svg', { viewBox: '0 0 600 240', role: 'img', preserveAspectRatio: 'none' });
    this.axis = el('div', { class: 'curve-axis', 'aria-hidden': 'true' });
    this.foot = el('div', { class: 'curve-foot small', 'aria-hidden': 'true' });
    this.node = el('figure', { class: 'curve-figure' },
      el('ul', { class: 'keys' }, el('li', { class: 'tint-wet' }, 'on what it has not learned from'), el('li', { class: 'tint-dry dashed' }, 'on what it learns from')),
      el('div', { class: 'curve-area' }, this.axis, this.drawing), this.foot);
  }

  add(number, row) {
    this.rows[number - 1] = row;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const rows = this.rows.filter(Boolean);
    const error = (part) => { const e = Number(part.esr); return Number.isFinite(e) && e > 0 ? e : Number(part.mse); };
    const points = rows.map((row) => [row.epoch, error(row.valid), error(row.train)]);
    const values = points.flatMap(([, a, b]) => [a, b]).filter((v) => v > 0 && Number.isFinite(v));
    if (!values.length) return;
    const low = Math.floor(Math.log10(Math.min(...values)) * 2) / 2;
    const high = Math.max(low + 0.5, Math.ceil(Math.log10(Math.max(...values)) * 2) / 2);
    const last = Math.max(2, points.at(-1)[0]);
    const x = (epoch) => (600 * (epoch - 1)) / (last - 1);
    const y = (value) => 236 - (232 * (Math.log10(value) - low)) / (high - low);
    const path = (at) => points.filter((p) => p[at] > 0).map((p, i) => `${i ? 'L' : 'M'}${x(p[0]).toFixed(1)} ${y(p[at]).toFixed(1)}`).join('');
    const grid = [];
    this.axis.replaceChildren();
    for (let decade = Math.ceil(low); decade <= high; decade++) {
      const top = y(10 ** decade);
      grid.push(svg('path', { d: `M0 ${top}H600`, class: 'rule' }));
      const label = el('span', {}, decade > -4 ? `${Number((10 ** decade).toPrecision(1))}` : ['10', el('sup', {}, `−${-decade}`)]);
      label.style.top = `${(100 * top) / 240}%`;
      this.axis.append(label);
    }
    const best = points.reduce((a, b) => (b[1] < a[1] ? b : a));
    this.drawing.replaceChildren(...grid,
      svg('path', { d: path(2), class: 'line tint-dry dashed' }), svg('path', { d: path(1), class: 'line tint-wet' }),
      svg('path', { d: `M${x(best[0])} ${y(best[1])}h0`, class: 'dot tint-wet' }));
    this.drawing.setAttribute('aria-label', `Error by epoch: ${points.length} epochs, lowest ${best[1].toPrecision(3)} at epoch ${best[0]}`);
    this.foot.replaceChildren(el('span', {}, 'epoch 1'), el('span', {}, `epoch ${last}`));
  }
}
