// Sounds: the composer's verbs, their parameters as controls, what they made side by side.

import { fileUrl, get, run } from './api.js';
import { form, soundChoice, verb } from './forms.js';
import { sound, whenSeen } from './player.js';
import { base, button, el, field, plain, stem, tellError, working } from './ui.js';

/** The verbs: what they are called here, what their sounds are for, and which settings come first. */
const VERBS = [
  { name: ['reorder'], title: 'Reorder', inputs: ['Recording'], main: ['by', 'play', 'seconds', 'reverse'], plot: true, lead: 'Its frames in another order: from like to like, quiet to loud, dark to bright.' },
  { name: ['spectrum'], title: 'Spectrum', inputs: ['Recording'], main: ['effect', 'seed'], plot: true, lead: 'Its spectra taken apart: phases dropped, frequencies turned over, bins shuffled.' },
  { name: ['stretch'], title: 'Stretch', inputs: ['Recording'], main: ['factor', 'tape'], lead: 'Longer, shorter or backwards, at its own pitch or as on tape.' },
  { name: ['collage', 'jumble'], title: 'Jumble', inputs: ['Recording'], main: ['segments', 'crossfade', 'seed'], lead: 'Cut into segments and joined in another order.' },
  { name: ['collage', 'interleave'], title: 'Interleave', inputs: ['One recording', 'Another recording'], main: ['segments', 'crossfade'], lead: 'Segments of two recordings in turn.' },
  { name: ['convolve'], title: 'Convolve', inputs: ['Learn from', 'Make it of'], main: ['estimator', 'direct', 'normalise'], lead: 'What a regression learned on one sound makes of another.' },
  { name: ['recover'], title: 'Recover', folder: true, main: ['method', 'portion', 'held-out', 'prefix'], lead: 'The deleted end of a clip, predicted from other clips like it.' },
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
  const inputs = one.folder ? [] : one.inputs.map((title, index) => [paths[index], soundChoice(studio, title)]);
  const folders = one.folder && folderChoice(studio);
  const settings = form(definition, ['output', 'plot', ...paths], one.main);
  const making = el('div');
  const made = new Map();
  let shownKeys;
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
    if (folders && !values.dir) throw new Error('no folder of clips is here yet; drop one in the room Capture');
    const first = inputs[0]?.[1].value() ?? values.dir;
    const output = free(`${plain(stem(first))}-${one.name.at(-1)}`);
    values.output = `sounds/${output}.wav`;
    if (one.plot) values.plot = `sounds/${output}.png`;
    const control = new AbortController();
    const work = working(`${one.title} …`, () => control.abort());
    making.replaceChildren(work.node);
    try {
      await run(one.name, values, { work, signal: control.signal });
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
    const there = new Set(studio.overview.sounds.map((f) => f.name));
    const sounds = studio.overview.sounds.filter((f) => f.name.endsWith('.wav')).sort((a, b) => b.changed - a.changed || (a.name < b.name ? 1 : -1));
    // A card stays what it is, and goes on playing, until there is more to show of its sound.
    const keys = sounds.map(({ name, changed }) => [name, changed, there.has(name.replace(/wav$/, 'json')), there.has(name.replace(/wav$/, 'png'))].join('|'));
    if (keys.join() === shownKeys) return;
    shownKeys = keys.join();
    sounds.forEach(({ name }, at) => { if (!made.has(keys[at])) made.set(keys[at], card(name, there)); });
    cards.replaceChildren(...(sounds.length ? keys.map((key) => made.get(key)) : [el('p', { class: 'lead' }, 'Nothing yet. Choose a sound above and press Make it; what comes of it stands here, to hear and to compare.')]));
  }

  function card(name, there) {
    const has = (other) => there.has(other);
    const about = el('code', { class: 'command' });
    const path = `sounds/${name}`;
    const record = name.replace(/\.wav$/, '.json');
    const plot = name.replace(/\.wav$/, '.png');
    const node = el('article', { class: 'card', 'aria-label': name }, el('h3', {}, stem(name)), sound(path, name), about,
      has(plot) && el('a', { href: fileUrl(`sounds/${plot}`), target: '_blank', rel: 'noopener' }, el('img', { src: fileUrl(`sounds/${plot}`), alt: `Spectrograms of ${stem(name)} before and after`, loading: 'lazy' })),
      el('a', { class: 'button', href: fileUrl(path, '?download'), download: base(name) }, 'Download'));
    if (has(record)) whenSeen(node, () => get(fileUrl(`sounds/${record}`)).then((made) => { about.textContent = made.command; }, tellError));
    return node;
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
