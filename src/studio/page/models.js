// Models: all runs by their figures, compared, looked into, exported; and model files from elsewhere.

import { fileUrl, get, run, upload } from './api.js';
import { inspected, knobs, soundChoice } from './forms.js';
import { named, sound } from './player.js';
import { base, button, el, empty, field, figure, plain, redraw, select, stem, tellError, time, working } from './ui.js';
import { GEAR, grade, TONES } from './words.js';

const FORMATS = [['nam', 'Neural Amp Modeler, .nam'], ['aidax', 'AIDA-X, .aidax'], ['json', 'RTNeural, .json'], ['namb', 'small devices, .namb'], ['safetensors', 'weights by name, .safetensors'], ['onnx', 'a graph, .onnx']];
const MODEL = /\.(nam|namb|aidax|json|safetensors)$/i;

/** The room. */
export async function show(place, studio, what) {
  const table = el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'All runs' });
  const compared = el('div');
  const detail = el('div', { 'data-detail': '' });
  const files = el('div', { 'data-models': '' });
  const chosen = new Set();
  const compare = button('Compare the chosen', () => side(), { disabled: true });
  place.append(
    el('section', { 'aria-labelledby': 'h-models' }, el('h1', { id: 'h-models' }, 'Models'),
      el('p', { class: 'lead' }, 'Every run of this folder, the most faithful first; those of the command line too.'), table, el('div', { class: 'row' }, compare), compared),
    detail,
    el('section', { 'aria-labelledby': 'h-files' }, el('h2', { id: 'h-files' }, 'Model files'), el('p', { class: 'lead' }, 'What was exported, and .nam, .aidax and .json files from elsewhere: drop one to play it.'), files));

  let [due, drawn] = [undefined, 0];
  /** Looking at all runs costs a process: no more often than every few seconds. */
  const changed = () => {
    due ??= setTimeout(() => { due = undefined; draw().catch(tellError); }, Math.max(0, 3000 - (performance.now() - drawn)));
  };

  async function draw() {
    drawn = performance.now();
    const { runs: all, unreadable } = await get('/api/runs');
    // What a search keeps beside its run is no run.
    const runs = all.filter((one) => !(one.run.endsWith('-search') && one.epochs === 0));
    const rows = () => runs.map((one) => {
      const name = base(one.run);
      const box = el('input', { type: 'checkbox', 'data-focus': `choose ${one.run}`, checked: chosen.has(one.run), 'aria-label': `Choose ${name} to compare`, onchange: () => { chosen[box.checked ? 'add' : 'delete'](one.run); compare.disabled = chosen.size < 2; } });
      const figures = one.test ?? one.valid;
      const [tone, word] = grade(figures?.esr);
      return el('tr', {}, el('th', { scope: 'row' }, el('a', { href: `#models/${encodeURIComponent(name)}`, 'data-focus': one.run }, name)), el('td', {}, box), el('td', {}, el('span', { class: `grade-word ${tone}` }, word || '–')),
        el('td', {}, figure(figures?.esr)), el('td', {}, figure(figures?.rmse)), el('td', {}, one.model), el('td', {}, one.test ? 'tested' : 'not tested yet'), el('td', {}, String(one.epochs)), el('td', {}, time(one.seconds)));
    });
    redraw(table, JSON.stringify([runs, unreadable]), () => [runs.length ? el('table', {}, el('thead', {}, el('tr', {}, ['run', 'compare', 'sounds', 'ESR', 'RMSE', 'network', 'state', 'epochs', 'time'].map((text) => el('th', { scope: 'col' }, text)))), el('tbody', {}, rows())) : empty('No runs yet.', 'Capture an effect', '#capture'),
      ...unreadable.map((line) => el('p', { class: 'problem' }, line))]);
    compare.hidden = runs.length < 2;
    list();
  }

  async function side() {
    const work = working('Drawing one page of them all');
    compared.replaceChildren(work.node);
    try {
      const drawn = await run(['report'], { runs: [...chosen], output: 'studio/compared.html' }, { work });
      compared.replaceChildren(page(drawn.page ?? 'studio/compared.html', 'The chosen runs compared'));
    } finally {
      work.done();
    }
  }

  function list() {
    const all = studio.overview.models.filter((file) => MODEL.test(file.name));
    const input = el('input', { type: 'file', hidden: true, accept: '.nam,.namb,.aidax,.json,.safetensors', 'aria-label': 'A model file', onchange: () => take(input.files[0]).catch(tellError) });
    redraw(files, JSON.stringify(all), () => [
      all.length ? el('ul', { class: 'plain-list' }, all.map((file) => el('li', {}, el('a', { href: `#models/${encodeURIComponent(`models/${file.name}`)}` }, file.name), el('span', { class: 'small' }, ` ${(file.bytes / 1024).toFixed(0)} kB `),
        el('a', { class: 'button', href: fileUrl(`models/${file.name}`, '?download'), download: base(file.name) }, 'Download')))) : el('p', { class: 'small' }, 'None yet.'),
      el('div', { class: 'row' }, button('Open a model file …', () => input.click()), input)]);
  }

  async function take(file) {
    if (!file) return;
    const path = await upload(file, `models/${file.name}`);
    await studio.look();
    list();
    studio.go('models', path);
  }
  files.addEventListener('dragover', (event) => event.preventDefault());
  files.addEventListener('drop', (event) => { event.preventDefault(); take(event.dataTransfer.files[0]).catch(tellError); });

  await draw();
  if (what) await look(detail, studio, what.includes('/') ? what : `checkpoints/${what}`);
  return { changed, leave: () => clearTimeout(due) };
}

/** A page of the folder, in a frame that can reach nothing. */
function page(path, title) {
  return el('iframe', { src: fileUrl(path), title, class: 'report', sandbox: 'allow-scripts' });
}

/** One model: what it is, how it behaves, what can be done with it. */
async function look(place, studio, path) {
  const isRun = path.startsWith('checkpoints/');
  const name = isRun ? base(path) : stem(path);
  const found = isRun ? await get(`/api/run?run=${encodeURIComponent(path)}`) : undefined;
  const best = found ? found.progress?.model : path;
  // A sketch is to be heard while it is all there is, not to be kept.
  const model = best?.startsWith('studio/') ? undefined : best;
  const said = model && await inspected(model);
  place.append(el('section', { 'aria-labelledby': 'h-model' }, el('h2', { id: 'h-model' }, name),
    said && facts(said),
    !model && el('p', { class: 'lead' }, 'It has learned nothing yet that could be played.'),
    model && el('div', { class: 'acts' }, exporter(model, name, studio), play(model, said, name, studio), behaviour(model), against(model, studio))));
  if (found?.page) place.append(el('section', { 'aria-labelledby': 'h-page' }, el('h2', { id: 'h-page' }, 'Its page'), page(`${path}/report.html`, `Report of ${name}`)));
}

/** A verb behind a button, its result in a place of its own. */
function step(text, verb, values, show) {
  const place = el('div');
  const press = button(text, async () => {
    const control = new AbortController();
    const work = working(text, () => control.abort());
    place.replaceChildren(work.node);
    try {
      const given = await values();
      place.replaceChildren(...[show(await run(verb, given, { work, signal: control.signal }), given)].flat());
    } finally {
      work.done();
    }
  });
  return { press, place };
}

function behaviour(model) {
  const { press, place } = step('Try it out', ['inspect'], () => ({ file: model, probe: true, 'no-measure': true }), (told) => probe(told.probe));
  return el('div', { class: 'act' }, el('h3', {}, 'How it behaves'), el('p', { class: 'small' }, 'Silence, a click, a note that stops, a staircase of levels and sines are played to it.'), press, place);
}

/** A probe's verdict and figures. */
function probe(told) {
  if (!told) throw new Error('it was not probed');
  const fact = (title, text) => [el('dt', {}, title), el('dd', {}, text)];
  const db = (value) => (value === null || value === undefined ? '–' : `${value >= 0 ? '+' : ''}${Number(value).toFixed(1)} dB`);
  const gains = (told.staircase ?? []).map((step) => [step.level_dbfs, step.gain_db]);
  return el('div', {},
    el('p', {}, el('strong', { class: `grade-word ${told.passes ? 'great' : 'poor'}` }, told.passes ? 'It behaves.' : 'It does not behave as it should.'), ' ', (told.faults ?? []).map((fault) => (typeof fault === 'string' ? fault : JSON.stringify(fault))).join('; ').replaceAll(/[-_]/g, ' ')),
    el('dl', { class: 'facts' },
      fact('In silence', `${figure(told.idle?.rms_dbfs)} dBFS`), fact('Starts after', `${told.start_samples ?? '–'} samples`), fact('Polarity', told.inverted ? 'turned over' : 'kept'),
      fact('A note ends within', `${figure(told.decay_seconds)} s`), fact('Aliasing', db(told.aliasing_db)),
      gains.length > 0 && fact('Gain from soft to loud', gains.map(([level, gain]) => `${level}: ${db(gain)}`).join(' · '))));
}

/** What it is, in a line or two. */
function facts({ networks: [network], metadata }) {
  const fact = (title, text) => text && [el('dt', {}, title), el('dd', {}, text)];
  const gear = [metadata.gear_make, metadata.gear_model, metadata.tone_type].filter(Boolean).join(', ');
  return el('dl', { class: 'facts' }, fact('Network', `${network.family}, ${network.weights.toLocaleString('en')} weights at ${network.sample_rate / 1000} kHz`), fact('Shape', network.shape),
    fact('Work', `${figure(network.million_macs_per_second)} million multiplications a second`), fact('Gear', gear), fact('Captured by', metadata.modeled_by));
}

function play(model, said, name, studio) {
  const output = `studio/listen/${plain(name)}-played.wav`;
  const choice = soundChoice(studio, 'Recording or riff', 'Dry, as it leaves the instrument');
  const turned = knobs(said);
  const { press, place } = step('Play', ['infer'], () => {
    if (!choice.value()) throw new Error('choose a sound first');
    const control = turned.values();
    return { model, inputs: [choice.value()], output, ...(control.length && { control }) };
  }, () => [named(`${base(choice.value())} through ${name}`, sound(output, `${base(choice.value())} through ${name}`, 'predicted')), named('dry', sound(choice.value(), `${base(choice.value())}, dry`, 'dry')), el('a', { class: 'button', href: fileUrl(output, '?download'), download: `${stem(choice.value())}-${name}.wav` }, 'Download')]);
  return el('div', { class: 'act', 'data-play': '' }, el('h3', {}, 'Play something through it'), el('div', { class: 'fields' }, choice.node), turned.node, press, place);
}

function exporter(model, name, studio) {
  const format = select(FORMATS, 'nam', { 'data-format': '' });
  const text = (preset = '') => el('input', { type: 'text', value: preset, autocomplete: 'off' });
  const inputs = { name: text(), 'modeled-by': text(), 'gear-type': select(GEAR, ''), 'gear-make': text(), 'gear-model': text(), 'tone-type': select(TONES, ''), licence: text() };
  const { press, place } = step('Export', ['export'], () => ({
    model, output: `models/${plain(name)}.${format.value}`,
    ...Object.fromEntries(Object.entries(inputs).map(([key, input]) => [key, input.value.trim()]).filter(([, value]) => value)),
  }), (told, given) => {
    studio.look().catch(tellError);
    return [el('p', {}, `${base(given.output)} is written; it was read again and played like the network.`), el('a', { class: 'button primary', 'data-download': '', href: fileUrl(given.output, '?download'), download: base(given.output) }, `Download ${base(given.output)}`)];
  });
  press.classList.add('primary');
  press.dataset.export = '';
  return el('div', { class: 'act' }, el('h3', {}, 'Take it to your plugin'), el('div', { class: 'fields' }, field('Format', format), field('Called', inputs.name, 'Empty: as the run'), field('Captured by', inputs['modeled-by'])),
    el('details', {}, el('summary', {}, 'Gear, tone, licence'), el('div', { class: 'fields' }, field('Kind of gear', inputs['gear-type']), field('Maker', inputs['gear-make']), field('Gear', inputs['gear-model']), field('Tone', inputs['tone-type']), field('Licence', inputs.licence))), press, place);
}

/** Scored on one more pair. */
function against(model, studio) {
  const [dry, wet] = [soundChoice(studio, 'Dry'), soundChoice(studio, 'Wet')];
  const { press, place } = step('Score it', ['evaluate'], () => {
    if (!dry.value() || !wet.value()) throw new Error('choose a dry and a wet recording first');
    return { model, dry: dry.value(), wet: wet.value() };
  }, (told) => {
    const rows = told.rows ?? [told];
    const columns = ['esr', 'rmse', 'mae', 'multi_resolution_stft'];
    return el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Scores' }, el('table', {}, el('thead', {}, el('tr', {}, ['model', 'ESR', 'RMSE', 'MAE', 'MR-STFT'].map((t) => el('th', { scope: 'col' }, t)))),
      el('tbody', {}, rows.map((row) => el('tr', {}, el('th', { scope: 'row' }, row.name ?? 'model'), columns.map((c) => el('td', {}, figure(row[c]))))))));
  });
  return el('div', { class: 'act' }, el('h3', {}, 'Score it on another pair'), el('div', { class: 'fields' }, dry.node, wet.node), press, place);
}
