// Building the page. Everything that comes from files or people goes in as text, never as markup.

/** An element: properties that start with "on" are listeners, "data-", "aria-" and unknown ones attributes. */
export function el(name, properties = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (key === 'class') node.className = value;
    else if (key in node && !key.includes('-') && key !== 'list' && key !== 'for') node[key] = value;
    else node.setAttribute(key === 'for' ? 'for' : key, value === true ? '' : value);
  }
  node.append(...children.flat(3).filter((child) => child !== undefined && child !== null && child !== false));
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/** An element of a drawing. */
export function svg(name, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

/** A button that cannot be pressed again while what it does is under way, and that tells of its errors. */
export function button(text, act, more = {}) {
  const node = el('button', { type: 'button', ...more }, text);
  node.addEventListener('click', async (event) => {
    node.disabled = true;
    try {
      await act(event);
    } catch (error) {
      tellError(error);
    } finally {
      node.disabled = false;
    }
  });
  return node;
}

/** Draws a place anew, but for what is the same as before: a button must not go from under a finger, nor the focus with it. */
export function redraw(place, key, nodes) {
  if (place.dataset.drawn === key) return false;
  const focus = place.contains(document.activeElement) ? document.activeElement.dataset.focus : undefined;
  place.replaceChildren(...nodes());
  place.dataset.drawn = key;
  if (focus) place.querySelector(`[data-focus="${CSS.escape(focus)}"]`)?.focus();
  return true;
}

/** What stands where nothing is yet, and the way to the first. */
export const empty = (text, link, to) => el('div', { class: 'empty' }, el('p', {}, text), el('a', { class: 'button primary', href: to }, link));

let labels = 0;

/** A labelled control, with a hint that screen readers read too. */
export function field(text, control, hint) {
  const id = control.id || `f${labels++}`;
  control.id = id;
  const parts = [el('label', { for: id }, text), control];
  if (hint) {
    control.setAttribute('aria-describedby', `${id}-hint`);
    parts.push(el('p', { class: 'small', id: `${id}-hint` }, hint));
  }
  return el('div', { class: 'field' }, parts);
}

/** A choice among `[value, text]`. */
export function select(options, value, more = {}) {
  const node = el('select', more, options.map(([v, text]) => el('option', { value: v }, text)));
  if (value !== undefined) node.value = value;
  return node;
}

/** A line that passes. */
export function say(text, kind = 'note') {
  const toasts = document.querySelector('[data-toasts]');
  const line = el('div', { class: `toast ${kind}` }, el('span', {}, text), el('button', { type: 'button', 'aria-label': 'Close this message', onclick: () => line.remove() }, '×'));
  toasts.append(line);
  if (kind === 'note') setTimeout(() => line.remove(), 6000);
}

/** An error, in the words that the command line has for it. */
export function tellError(error) {
  if (error?.name !== 'AbortError') say(error?.message || String(error), 'error');
}

/** Work under way: how much of it is done, what is said meanwhile, and a way to stop it. */
export function working(text, stop) {
  // What changes all the time is not read out.
  const [percent, clock] = ['percent', 'clock'].map((name) => el('span', { class: name, 'aria-hidden': 'true' }));
  const doing = el('p', { class: 'small', role: 'status' });
  const started = performance.now();
  const bar = el('progress', { max: 1, 'aria-label': text });
  const timer = setInterval(() => { clock.textContent = time((performance.now() - started) / 1000); }, 500);
  const node = el('div', { class: 'working' },
    el('div', { class: 'working-head' }, el('strong', {}, text), percent, clock), bar,
    el('div', { class: 'working-foot' }, doing, stop && button('Stop', stop, { class: 'quiet' })));
  function share(part) {
    if (typeof part === 'number') bar.value = part;
    else bar.removeAttribute('value');
    percent.textContent = typeof part === 'number' ? `${Math.floor(100 * part)} %` : '';
  }
  return {
    node,
    share,
    /** How far the program is, `{ task, share }`. */
    progress: (told) => {
      if (doing.textContent !== told.task) doing.textContent = told.task;
      share(told.share);
    },
    /** A line of the program; what may spoil the result stays. */
    note: (line) => {
      if (line.startsWith('warning: ')) say(line.slice(9), 'warning');
      else doing.textContent = line;
    },
    done: () => { clearInterval(timer); node.remove(); },
  };
}

/** Seconds as people say them. */
export function time(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor(s / 60) % 60).padStart(2, '0')} min`;
}

/** A figure in about four digits, as the command line prints it. */
export function figure(value) {
  if (value === null || value === undefined) return '–';
  const number = Number(value);
  if (!Number.isFinite(number)) return String(value);
  const size = Math.abs(number);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? number.toExponential(2) : String(Number(number.toPrecision(4)));
}

/** The last part of a path. */
export const base = (path) => path.split('/').pop();

/** A name without its ending. */
export const stem = (path) => base(path).replace(/\.[^.]*$/, '');

/** What may stand in a run's name. */
export const plain = (text) => text.normalize('NFKD').replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[-.]+|[-.]+$/g, '').slice(0, 60) || 'capture';
