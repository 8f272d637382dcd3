// Training: the live curve, the figures, and the sound of the best so far against the recording.

import { fileUrl, get, Listener, post, run } from './api.js';
import { blind, deck, named, sound } from './player.js';
import { Curve } from './pictures.js';
import { actions, chip, far, stands } from './queue.js';
import { recorder } from './recorder.js';
import { inspected, knobs, soundChoice } from './forms.js';
import { base, button, el, empty, figure, redraw, tellError, working } from './ui.js';
import { grade } from './words.js';

/** The one that trains, else the first that was begun. */
const likely = ({ queue }) => (queue.find((j) => j.state === 'running') ?? queue.find((j) => j.progress?.epochs) ?? queue[0])?.run;

/** The room. */
export async function show(place, studio, what) {
  const name = what ?? (likely(studio.overview) && base(likely(studio.overview)));
  if (!name) {
    place.append(el('section', {}, el('h1', {}, 'Training'), empty('Nothing has been trained here yet.', 'Capture an effect', '#capture')));
    return {};
  }
  const path = `checkpoints/${name}`;
  const curve = new Curve();
  const [head, race, figures, row] = [el('div'), el('div'), el('div', { class: 'figures' }), el('div', { class: 'row', 'data-actions': '' })];
  const hear = listening(path, studio);
  // Axes without a line say nothing.
  const learning = el('div', { hidden: true }, curve.node, figures);
  const others = [...new Set(studio.overview.queue.map((job) => base(job.run)))].filter((other) => other !== name);
  place.append(
    el('section', { 'aria-labelledby': 'h-training' }, el('h1', { id: 'h-training' }, name), head, row,
      others.length > 0 && el('p', { class: 'small' }, 'Others: ', others.map((other, at) => [at ? ', ' : '', el('a', { href: `#training/${encodeURIComponent(other)}` }, other)]))),
    el('section', { 'aria-labelledby': 'h-curve' }, el('h2', { id: 'h-curve' }, 'How it learns'), race, learning),
    hear.node);

  const listener = new Listener({
    run: path,
    onEpoch: (number, epoch) => {
      curve.add(number, epoch);
      place.dataset.lines = String(curve.rows.filter(Boolean).length);
      draw(curve);
    },
  });

  function draw() {
    const last = curve.rows.at(-1);
    const best = curve.rows.filter(Boolean).reduce((a, b) => (!a || Number(b.valid.esr) < Number(a.valid.esr) ? b : a), undefined);
    if (!last) return;
    const [, word] = grade(best.valid.esr);
    learning.hidden = false;
    const fact = (title, text, more) => el('div', {}, el('dt', {}, title), el('dd', {}, text, more && el('small', {}, ` ${more}`)));
    figures.replaceChildren(el('dl', { class: 'tiles' },
      fact('Best so far', figure(best.valid.esr), `epoch ${best.epoch}${word ? `: ${word}` : ''}`),
      fact('Error now', figure(last.valid.esr), `epoch ${last.epoch}`),
      fact('RMSE of the best', figure(best.valid.rmse)), fact('An epoch takes', `${last.seconds.toFixed(1)} s`)));
  }

  let shownModel;
  async function changed() {
    const found = await get(`/api/run?run=${encodeURIComponent(path)}`);
    const { job, progress } = found;
    const state = job?.state ?? (progress?.tested ? 'done' : 'stopped');
    head.replaceChildren(el('p', { class: 'job-head' }, chip(state), found.report?.verdict && verdict(found.report)),
      job?.failed && job.state === 'failed' ? el('p', { class: 'problem' }, job.failed) : far({ state, progress, ...job }));
    const exports = Boolean(progress?.model) && !progress.model.startsWith('studio/');
    redraw(row, `${job ? stands(job) : ''} ${exports}`, () => [
      ...(job ? actions(job, studio) : [button('Continue this run', () => post('/api/queue/add', { run: path }).then(() => studio.look()), { class: 'quiet' })]),
      ...(exports ? [el('a', { class: 'button', href: `#models/${encodeURIComponent(name)}` }, 'Export and more')] : [])]);
    race.replaceChildren(...(progress?.race ? [raceTable(progress.race)] : []));
    const model = `${progress?.model}@${progress?.best?.[0]}@${progress?.tested}`;
    if (progress?.model && model !== shownModel) {
      shownModel = model;
      hear.ready();
    }
  }
  await changed();
  return { changed, leave: () => { listener.close(); hear.leave(); } };
}

function verdict(report) {
  const esr = report.rows?.[0]?.esr;
  const [, word] = grade(esr);
  return el('span', {}, ` tested: ESR ${figure(esr)}${word ? `, ${word}` : ''}`);
}

/** What was tried before the network was chosen. */
function raceTable(race) {
  const rows = race.entrants.map((entrant) => {
    const last = entrant.rounds.at(-1);
    return el('tr', {}, el('th', { scope: 'row' }, entrant.name), el('td', {}, String(entrant.weights)), el('td', {}, last ? figure(last.standing?.esr ?? last.standing?.valid ?? Object.values(last.standing ?? {})[0]) : 'to come'), el('td', {}, String(entrant.rounds.length)));
  });
  return el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Networks that are tried' }, el('table', {}, el('caption', { class: 'small' }, 'Networks race; the best is trained to the end'),
    el('thead', {}, el('tr', {}, ['network', 'weights', 'error', 'rounds'].map((text) => el('th', { scope: 'col' }, text)))), el('tbody', {}, rows)));
}

/** Both sides and the model's, each by itself, and the model's to keep. */
function alone({ predicted, wet, dry }) {
  const one = (name, path, tint) => named(name, sound(path, name, tint));
  return el('details', { class: 'alone' }, el('summary', {}, 'Each by itself'),
    one('model', predicted, 'predicted'), one('recording', wet, 'wet'), one('dry', dry, 'dry'),
    el('p', { class: 'row' }, el('a', { class: 'button', href: fileUrl(predicted, '?download'), download: 'model.wav' }, 'Download the model’s')));
}

/** The best so far, against the recording and with a riff of one's own. */
function listening(path, studio) {
  const place = el('div', { 'data-listen': '' });
  const own = el('div', { class: 'own' });
  const status = el('p', { class: 'small', role: 'status' });
  const turned = el('div');
  let [heard, test, busy, ownKnobs] = [undefined, undefined, false, undefined];
  const refresh = button('Hear the best so far', () => prepare(), { class: 'primary', 'data-hear': '', disabled: true });
  const choice = soundChoice(studio, 'Your own riff', 'Dry, as it leaves the guitar or the synth', () => play().catch(tellError));
  const record = recorder((file) => choice.take(file));
  const node = el('section', { 'aria-labelledby': 'h-listen' }, el('h2', { id: 'h-listen' }, 'Listen'),
    el('p', { class: 'lead' }, 'A piece of the recording that it has not learned from, and what the model makes of the dry side of it.'),
    el('div', { class: 'row' }, refresh, status), place,
    el('h3', {}, 'A riff of your own through it'), el('div', { class: 'fields' }, choice.node), turned, el('div', { class: 'row' }, record), own);

  function stop() {
    heard?.stop();
    test?.stop();
  }

  function leave() {
    stop();
    record.cancel();
  }

  /** Weights that can be played, or better ones, are there. */
  function ready() {
    refresh.disabled = busy;
    status.textContent = heard ? 'It has become better since.' : '';
  }

  async function infer(model, input, output, control, at) {
    const values = { model, inputs: [input], output };
    if (control.length) values.control = control;
    const work = working(`${base(input)} through the model`);
    at.append(work.node);
    try {
      await run(['infer'], values, { work });
    } finally {
      work.done();
    }
  }

  async function prepare() {
    busy = true;
    try {
      const excerpt = await post('/api/excerpt', { run: path });
      const control = Object.entries(excerpt.controls).map(([name, value]) => `${name}=${value}`);
      await infer(excerpt.model, excerpt.dry, excerpt.predicted, control, place);
      stop();
      const [recording, model] = [{ name: 'recording', tint: 'wet', path: excerpt.wet }, { name: 'model', tint: 'predicted', path: excerpt.predicted }];
      heard = deck([model, recording, { name: 'dry', tint: 'dry', path: excerpt.dry }], 'recording');
      test = blind(recording, model);
      place.replaceChildren(heard.node, test.node, alone(excerpt));
      const from = excerpt.model.startsWith('studio/sketch/') ? 'a first sketch, trained for a moment' : excerpt.model.includes('-search/') ? 'the network that leads so far' : 'the best so far';
      status.textContent = `${excerpt.seconds.toFixed(1)} s of the recording; ${from}`;
    } finally {
      busy = false;
    }
  }

  let count = 0;
  async function play() {
    if (!choice.value()) return;
    const { model } = (await get(`/api/run?run=${encodeURIComponent(path)}`)).progress ?? {};
    if (!model) throw new Error('nothing to hear yet: the first epoch is under way');
    if (!ownKnobs) {
      ownKnobs = knobs(await inspected(model));
      turned.replaceChildren(ownKnobs.node, ...(ownKnobs.values().length ? [el('div', { class: 'row' }, button('Play it with these knobs', () => play()))] : []));
    }
    const output = `studio/listen/${base(path)}/riff-${count++ % 8}.wav`;
    own.replaceChildren();
    await infer(model, choice.value(), output, ownKnobs.values(), own);
    own.replaceChildren(named('through the model', sound(output, `${base(choice.value())} through ${base(path)}`, 'predicted')), named('dry', sound(choice.value(), `${base(choice.value())}, dry`, 'dry')));
  }

  return { node, ready, leave };
}
