// Forms out of the command line's own definition of a verb, and choosing among the folder's sounds.

import { get, upload } from './api.js';
import { button, el, field, select, tellError, working } from './ui.js';

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
  const text = definition.name.replaceAll(/[_-]/g, ' ');
  if (kind === 'flag') {
    const box = el('input', { type: 'checkbox' });
    return { node: el('div', { class: 'field check' }, el('label', {}, box, ` ${text}`), el('p', { class: 'small' }, help)), read: () => (box.checked ? true : undefined) };
  }
  if (choices.length) {
    const options = choices.map(([value, about]) => [value, about ? `${value}: ${about}` : value]);
    const input = select(preset || definition.required ? options : [['', 'not used'], ...options], preset ?? options[0][0]);
    if (!preset && !definition.required) input.value = '';
    return { node: field(text, input, help), read: () => (input.value === '' || input.value === preset ? undefined : input.value) };
  }
  const numeric = kind === 'whole' || kind === 'number';
  const input = el('input', { type: numeric ? 'number' : 'text', step: kind === 'whole' ? '1' : 'any', placeholder: preset ?? (bare ? 'off' : ''), autocomplete: 'off' });
  const read = () => (input.value.trim() === '' ? undefined : many && !numeric ? input.value.split(',').map((part) => part.trim()) : input.value.trim());
  if (!bare) return { node: field(text, input, help), read };
  const box = el('input', { type: 'checkbox', onchange: () => { input.disabled = !box.checked; } });
  input.disabled = true;
  const node = el('div', { class: 'field' }, el('label', {}, box, ` ${text}`), input, el('p', { class: 'small' }, help));
  input.setAttribute('aria-label', `${text}, value`);
  return { node, read: () => (box.checked ? read() ?? true : undefined) };
}

/** A form for some of a verb's fields, and how to read all of it. */
export function form(definition, leaveOut, show = 4) {
  const controls = definition.fields.filter((f) => !leaveOut.includes(f.name)).map((f) => [f, control(f)]);
  const [first, rest] = [controls.slice(0, show), controls.slice(show)];
  const node = el('div', { class: 'form' }, el('div', { class: 'fields' }, first.map(([, c]) => c.node)),
    rest.length > 0 && el('details', {}, el('summary', {}, 'All settings'), el('div', { class: 'fields' }, rest.map(([, c]) => c.node))));
  const read = () => Object.fromEntries(controls.map(([f, c]) => [f.name, c.read()]).filter(([, value]) => value !== undefined));
  return { node, read };
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
  node.append(el('div', { class: 'row small' }, button('Another file …', () => file.click(), { class: 'quiet' }), file));
  file.hidden = true;
  node.addEventListener('dragover', (event) => event.preventDefault());
  node.addEventListener('drop', (event) => { event.preventDefault(); take(event.dataTransfer.files[0]).catch(tellError); });
  return { node, input, value: () => input.value, refresh, take };
}
