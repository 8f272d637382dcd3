// Sounds: the composer's verbs, their parameters as controls, what they made side by side.

import { fileUrl, get, run } from './api.js';
import { form, soundChoice, verb } from './forms.js';
import { single } from './player.js';
import { wave } from './pictures.js';
import { base, button, el, field, plain, stem, tellError, working } from './ui.js';

/** The verbs: what they are called here, and which of their fields are sounds. */
const VERBS = [
  { name: ['reorder'], title: 'Reorder', inputs: [['input', 'Recording']], plot: true, lead: 'Its frames in another order: from like to like, quiet to loud, dark to bright.' },
  { name: ['spectrum'], title: 'Spectrum', inputs: [['input', 'Recording']], plot: true, lead: 'Its spectra taken apart: phases dropped, frequencies turned over, bins shuffled.' },
  { name: ['stretch'], title: 'Stretch', inputs: [['input', 'Recording']], lead: 'Longer, shorter or backwards, at its own pitch or as on tape.' },
  { name: ['collage', 'jumble'], title: 'Jumble', inputs: [['input', 'Recording']], lead: 'Cut into segments and joined in another order.' },
  { name: ['collage', 'interleave'], title: 'Interleave', inputs: [['first', 'One recording'], ['second', 'Another recording']], lead: 'Segments of two recordings in turn.' },
  { name: ['convolve'], title: 'Convolve', inputs: [['a', 'Learn from'], ['b', 'Make it of']], lead: 'What a regression learned on one sound makes of another.' },
  { name: ['recover'], title: 'Recover', folder: true, lead: 'The deleted end of a clip, predicted from other clips like it.' },
];

/** The room. */
export async function show(place, studio, what) {
  const at = Math.max(0, VERBS.findIndex((one) => one.name.join('-') === what));
  const one = VERBS[at];
  const definition = await verb(...one.name);
  const cards = el('div', { class: 'cards', 'data-cards': '' });
  const tabs = el('nav', { class: 'tabs', 'aria-label': 'Verbs' }, VERBS.map((other, index) => el('a', { href: `#sounds/${other.name.join('-')}`, 'aria-current': index === at ? 'page' : undefined }, other.title)));
  // Names of places differ from verb to verb; the definition knows them, in order.
  const paths = definition.fields.filter((f) => f.kind === 'path').map((f) => f.name);
  const inputs = one.folder ? [] : one.inputs.map(([, title], index) => [paths[index], soundChoice(studio, title)]);
  const folders = one.folder && folderChoice(studio);
  const settings = form(definition, ['output', 'plot', ...paths], 6);
  const making = el('div');
  const make = button('Make it', () => create(), { class: 'primary', 'data-make': '' });
  place.append(
    el('section', { 'aria-labelledby': 'h-sounds' }, el('h1', { id: 'h-sounds' }, 'Sounds'), tabs, el('p', { class: 'lead' }, one.lead),
      el('div', { class: 'fields' }, inputs.map(([, choice]) => choice.node), folders && folders.node), settings.node, el('div', { class: 'row' }, make), making),
    el('section', { 'aria-labelledby': 'h-made' }, el('h2', { id: 'h-made' }, 'What was made'), el('p', { class: 'small' }, 'Each with its settings, in the folder sounds; the command line makes the same of them.'), cards));

  async function create() {
    const values = settings.read();
    for (const [name, choice] of inputs) {
      if (!choice.value()) throw new Error('choose a sound first');
      values[name] = choice.value();
    }
    if (folders) values.dir = folders.value();
    const first = inputs[0]?.[1].value() ?? values.dir;
    const output = free(`${plain(stem(first))}-${one.name.at(-1)}`);
    values.output = `sounds/${output}.wav`;
    if (one.plot) values.plot = `sounds/${output}.png`;
    const control = new AbortController();
    const work = working(`${one.title} …`, () => control.abort());
    making.replaceChildren(work.node);
    try {
      await run(one.name, values, { note: work.note, signal: control.signal });
      await studio.look();
      draw();
    } finally {
      work.done();
    }
  }

  function free(name) {
    const taken = studio.overview.sounds.map((f) => f.name);
    for (let n = 1; ; n++) if (!taken.includes(`${name}-${n}.wav`)) return `${name}-${n}`;
  }

  function draw() {
    const sounds = studio.overview.sounds.filter((f) => f.name.endsWith('.wav')).sort((a, b) => b.changed - a.changed);
    const shown = sounds.map((f) => f.name).join('|');
    if (cards.dataset.shown === shown) return;
    cards.dataset.shown = shown;
    cards.replaceChildren(...(sounds.length ? sounds.map(card) : [el('p', { class: 'lead' }, 'Nothing yet.')]));
  }

  function card({ name }) {
    const has = (other) => studio.overview.sounds.some((f) => f.name === other);
    const picture = el('div', { class: 'outline' });
    const about = el('p', { class: 'small' });
    const path = `sounds/${name}`;
    get(`/api/outline?of=${encodeURIComponent(path)}`).then((outline) => picture.append(wave(outline, 'predicted', `${name}, ${outline.seconds.toFixed(1)} s`)), tellError);
    const record = name.replace(/\.wav$/, '.json');
    if (has(record)) fetch(fileUrl(`sounds/${record}`)).then((r) => r.json()).then((made) => { about.textContent = made.command; }, tellError);
    const plot = name.replace(/\.wav$/, '.png');
    return el('article', { class: 'card', 'aria-label': name }, el('h3', {}, stem(name)), picture, single(path, 'Listen'), about,
      has(plot) && el('a', { href: fileUrl(`sounds/${plot}`), target: '_blank', rel: 'noopener' }, el('img', { src: fileUrl(`sounds/${plot}`), alt: `Spectrograms of ${stem(name)} before and after`, loading: 'lazy' })),
      el('a', { class: 'button', href: fileUrl(path, '?download'), download: base(name) }, 'Download'));
  }

  draw();
  return { changed: draw };
}

/** A folder of clips among the recordings. */
function folderChoice(studio) {
  const folders = [...new Set(studio.overview.recordings.map((f) => f.name.split('/').slice(0, -1).join('/')).filter(Boolean))];
  const input = el('select', {}, folders.map((folder) => el('option', { value: `recordings/${folder}` }, folder)));
  return { node: field('Folder of clips', input, 'Drop the clips in the room Capture, or put them into recordings'), value: () => input.value };
}
