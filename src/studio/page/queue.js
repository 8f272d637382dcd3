// Queue: what trains, what comes next, in which order.

import { post } from './api.js';
import { base, button, el, empty, figure, redraw, time } from './ui.js';
import { grade, STATES } from './words.js';

const hasLearned = (job) => (job.progress?.epochs ?? 0) > 0;

/** What changes when other things can be done with a job. */
export const stands = (job) => [job.id, job.state, job.failed, hasLearned(job)].join();

/** What can be done with a job, by its state. */
export function actions(job, studio) {
  const act = (text, what, more = {}) => button(text, async () => {
    await post('/api/queue/act', { id: job.id, act: what, ...more.body });
    await studio.look();
  }, { class: more.class ?? 'quiet', 'data-act': what, 'data-focus': `${what}-${job.id}`, title: more.title });
  const longer = () => button('Train longer', async () => {
    const done = job.progress?.of ?? job.progress?.epochs ?? 0;
    await post('/api/queue/act', { id: job.id, act: 'longer', epochs: done + Math.max(10, Math.round(done / 2)) });
    await studio.look();
  }, { class: 'quiet', 'data-act': 'longer', 'data-focus': `longer-${job.id}`, title: 'Half as many epochs again' });
  const learned = hasLearned(job);
  const remove = act('Take out', 'remove', { title: 'Out of the queue; its run stays' });
  switch (job.state) {
    case 'running': return [act('Pause', 'pause'), learned ? act('Stop and keep the best', 'keep') : act('Stop', 'stop')];
    case 'waiting': return [act('Pause', 'pause'), remove];
    case 'paused': case 'stopped': return [act('Continue', 'continue', { class: 'primary' }), learned && act('Keep the best', 'keep'), remove].filter(Boolean);
    case 'failed': return [act('Try again', 'retry', { class: 'primary' }), remove];
    case 'done': return [longer(), remove];
    default: return [];
  }
}

/** How far a job is, as a bar with the time that is left. */
export function far(job) {
  const { progress, state } = job;
  if (!progress) return el('p', { class: 'small' }, state === 'waiting' ? 'Its turn has not come.' : '');
  const parts = [];
  if (progress.of && (state === 'running' || !progress.tested)) parts.push(el('progress', { max: progress.of, value: progress.epochs, 'aria-label': `Epoch ${progress.epochs} of ${progress.of}` }));
  else if (state === 'running') parts.push(el('progress', { 'aria-label': 'Under way' }));
  const words = [];
  if (progress.of) words.push(`epoch ${progress.epochs} of ${progress.of}`);
  else if (progress.race) words.push(`trying networks: ${progress.race.entrants.filter((e) => e.rounds.length).length} of ${progress.race.entrants.length}`);
  else if (state === 'running') words.push('reading the recordings');
  if (progress.best) words.push(`error ${figure(progress.best[1])}${grade(progress.best[1])[1] ? `: ${grade(progress.best[1])[1]}` : ''}`);
  if (state === 'running' && progress.seconds_left !== null) words.push(`${time(progress.seconds_left)} left`);
  parts.push(el('p', { class: 'small' }, words.join(' · ')));
  return el('div', {}, parts);
}

/** A state as a word in its colour. */
export const chip = (state) => el('span', { class: `chip ${state}` }, STATES[state] ?? state);

/** The room. */
export async function show(place, studio) {
  const list = el('ol', { class: 'jobs', 'data-jobs': '' });
  const none = empty('Nothing is waiting. Capture an effect, and its training stands here.', 'Capture an effect', '#capture');
  place.append(el('section', { 'aria-labelledby': 'h-queue' }, el('h1', { id: 'h-queue' }, 'Queue'),
    el('p', { class: 'lead' }, 'One trains at a time, the first that is ready. Drag them into another order, or use the arrows. Ending the studio ends no training.'), none, list));
  let dragged;

  const order = (ids) => post('/api/queue/order', { ids }).then(() => studio.look()).then(draw);
  const ids = () => studio.overview.queue.map((job) => job.id);
  function move(id, to) {
    const all = ids().filter((other) => other !== id);
    all.splice(to, 0, id);
    return order(all);
  }

  function draw() {
    const jobs = studio.overview.queue;
    none.hidden = jobs.length > 0;
    const items = () => jobs.map((job, at) => {
      const name = base(job.run);
      const arrow = (text, label, to) => button(text, () => move(job.id, to), { class: 'quiet arrow', 'aria-label': `${label}: ${name}`, 'data-focus': `${label}${job.id}`, disabled: to < 0 || to >= jobs.length });
      const item = el('li', { class: 'job', draggable: true, 'data-id': job.id },
        el('div', { class: 'grip' }, el('span', { class: 'handle', 'aria-hidden': 'true' }, '⠿'), arrow('↑', 'Earlier', at - 1), arrow('↓', 'Later', at + 1)),
        el('div', { class: 'job-body' },
          el('p', { class: 'job-head' }, el('a', { href: `#training/${encodeURIComponent(name)}`, 'data-focus': `name-${job.id}` }, name), chip(job.state)),
          job.failed && job.state !== 'done' ? el('p', { class: 'problem' }, job.failed) : el('div', { class: 'far' }),
          el('div', { class: 'row' }, actions(job, studio))));
      item.addEventListener('dragstart', (event) => { dragged = job.id; event.dataTransfer.effectAllowed = 'move'; event.dataTransfer.setData('text/plain', job.id); item.classList.add('dragged'); });
      item.addEventListener('dragend', () => item.classList.remove('dragged'));
      item.addEventListener('dragover', (event) => { event.preventDefault(); item.classList.add('target'); });
      item.addEventListener('dragleave', () => item.classList.remove('target'));
      item.addEventListener('drop', (event) => { event.preventDefault(); if (dragged && dragged !== job.id) move(dragged, at); });
      return item;
    });
    redraw(list, jobs.map(stands).join('|'), items);
    jobs.forEach((job, at) => list.children[at].querySelector('.far')?.replaceChildren(far(job)));
  }

  draw();
  return { changed: draw };
}
