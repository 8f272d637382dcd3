// Forms out of the command line's own definition of a verb, and choosing among the folder's sounds.

import { get, run, upload } from './api.js';
import { button, el, field, figure, select, tellError, working } from './ui.js';
import { LABELS } from './words.js';

let verbs;

/** The definition of a verb. */
export async function verb(...name) {
  verbs ??= await get('/api/verbs');
  return verbs.find((verb) => verb.name.join(' ') === name.join(' '));
}

/** A control for a field of a verb, and how to read it; absent values are left to the verb. */
function control(definition) {
  const { kind, choices, default: preset, many, bare } = definition;
  const help = definition.help.replace(/\s*\[default: [^\]]*\]/, '');
  const named = LABELS[definition.name] ?? definition.name.replaceAll(/[_-]/g, ' ');
  const text = named[0].toUpperCase() + named.slice(1);
  const option = { 'data-option': definition.name };
  if (kind === 'flag') {
    const box = el('input', { type: 'checkbox', ...option });
    return { node: el('div', { class: 'field check' }, el('label', {}, box, ` ${text}`), el('p', { class: 'small' }, help)), read: () => (box.checked ? true : undefined) };
  }
  if (choices.length) {
    const about = new Map(choices);
    const options = choices.map(([value]) => [value, value.replaceAll('-', ' ')]);
    const input = select(preset || definition.required ? options : [['', 'not used'], ...options], preset ?? options[0][0], option);
    if (!preset && !definition.required) input.value = '';
    const node = field(text, input, help);
    const hint = node.querySelector('.small');
    // What the chosen one does.
    const tell = () => { hint.textContent = about.get(input.value) || help; };
    input.addEventListener('change', tell);
    tell();
    return { node, read: () => (input.value === '' || input.value === preset ? undefined : input.value) };
  }
  const numeric = kind === 'whole' || kind === 'number';
  const input = el('input', { type: numeric ? 'number' : 'text', step: kind === 'whole' ? '1' : 'any', placeholder: preset ?? (bare ? 'off' : ''), autocomplete: 'off', ...option });
  const read = () => (input.value.trim() === '' ? undefined : many && !numeric ? input.value.split(',').map((part) => part.trim()) : input.value.trim());
  if (!bare) return { node: field(text, input, help), read };
  const box = el('input', { type: 'checkbox', onchange: () => { input.disabled = !box.checked; } });
  input.disabled = true;
  const node = el('div', { class: 'field' }, el('label', {}, box, ` ${text}`), input, el('p', { class: 'small' }, help));
  input.setAttribute('aria-label', `${text}, value`);
  return { node, read: () => (box.checked ? read() ?? true : undefined) };
}

/** A form for some of a verb's fields, the `main` ones first, and how to read all of it. */
export function form(definition, leaveOut, main) {
  const controls = definition.fields.filter((f) => !leaveOut.includes(f.name)).map((f) => [f, control(f)]);
  const first = main.map((name) => controls.find(([f]) => f.name === name)).filter(Boolean);
  const rest = controls.filter((one) => !first.includes(one));
  const node = el('div', { class: 'form' }, el('div', { class: 'fields' }, first.map(([, c]) => c.node)),
    rest.length > 0 && el('details', {}, el('summary', {}, 'All settings'), el('div', { class: 'fields' }, rest.map(([, c]) => c.node))));
  const read = () => Object.fromEntries(controls.map(([f, c]) => [f.name, c.read()]).filter(([, value]) => value !== undefined));
  return { node, read };
}

/** What a model says about itself. */
export const inspected = (model) => run(['inspect'], { file: model, 'no-measure': true });

/** A model's knobs as sliders, and where they stand; nothing for a model without. */
export function knobs({ networks }) {
  const { controls } = networks[0];
  const sliders = controls.map(({ name, min, max, default: preset }) => {
    const shown = el('output', { class: 'small' }, figure(preset));
    const input = el('input', { type: 'range', min, max, step: 'any', oninput: () => { shown.textContent = figure(input.value); } });
    input.value = preset;
    const node = field(name, input, `It was recorded from ${figure(min)} to ${figure(max)}`);
    node.querySelector('label').append(' ', shown);
    return { name, input, node };
  });
  const node = sliders.length ? el('div', { class: 'fields knobs' }, sliders.map((slider) => slider.node)) : el('div');
  return { node, values: () => sliders.map(({ name, input }) => `${name}=${input.value}`) };
}

/** Sounds of the folder, as `[path, text]`. */
export function soundsOf(overview) {
  const isSound = ({ name }) => /\.(wav|aiff?|aifc|flac|mp3|og[ga])$/i.test(name);
  return ['recordings', 'sounds'].flatMap((area) => overview[area].filter(isSound).map(({ name }) => [`${area}/${name}`, name]));
}

/** A choice among the folder's sounds, or one more that is dropped in. */
export function soundChoice(studio, text, hint, onChoose) {
  const options = () => [['', 'choose a sound'], ...soundsOf(studio.overview)];
  const input = select(options(), '', { onchange: () => onChoose?.(input.value) });
  const refresh = (value) => {
    const chosen = value ?? input.value;
    input.replaceChildren(...options().map(([v, t]) => el('option', { value: v }, t)));
    input.value = chosen;
  };
  const node = field(text, input, hint);
  const file = el('input', { type: 'file', accept: 'audio/*,.aif,.aiff,.flac,.ogg', 'aria-label': `${text}: another file`, onchange: () => take(file.files[0]).catch(tellError) });
  async function take(dropped) {
    if (!dropped) return;
    const work = working(`Taking ${dropped.name}`);
    node.append(work.node);
    try {
      const path = await upload(dropped, `recordings/sounds/${dropped.name}`, work.share);
      await studio.look();
      refresh(path);
      onChoose?.(path);
    } finally {
      work.done();
      file.value = '';
    }
  }
  input.after(button('Another file …', () => file.click(), { class: 'quiet' }), file);
  node.classList.add('sound-choice');
  file.hidden = true;
  node.addEventListener('dragover', (event) => event.preventDefault());
  node.addEventListener('drop', (event) => { event.preventDefault(); take(event.dataTransfer.files[0]).catch(tellError); });
  return { node, input, value: () => input.value, refresh, take };
}
