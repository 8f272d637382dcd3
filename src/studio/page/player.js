// Listening: one sound with its picture, sounds that run together, and blind, to find out whether one hears a difference.

import { fileUrl, get, post } from './api.js';
import { button, el, tellError } from './ui.js';
import { wave } from './pictures.js';

/** What ends the sound that is heard now: one at a time. */
let heard;

/** Ends whatever is heard, before `stop` becomes what ends the next one. */
function alone(stop) {
  if (heard !== stop) heard?.();
  heard = stop;
}

/** Ends whatever is heard. */
export const silence = () => alone(undefined);

/** Where a sound is in a form that every browser plays. */
const converted = async (path) => (await post('/api/playable', { of: path })).path;
const isOdd = (path) => /\.aif[fc]?$/i.test(path);

/** Minutes and seconds, as on a player. */
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;

const outlineOf = (path) => get(`/api/outline?of=${encodeURIComponent(path)}`);

/** The outline of a sound with a place in it, which the mouse and the arrow keys move. */
class Scrub {
  constructor(name, onMove) {
    this.seek = el('input', { type: 'range', min: 0, max: 1000, step: 1, value: 0, 'aria-label': `Position in ${name}`, oninput: () => onMove(this.seek.value / 1000) });
    this.picture = el('div', { class: 'outline' });
    this.node = el('div', { class: 'scrub' }, this.picture, this.seek);
    this.at(0, 0);
  }

  draw(outline) {
    this.picture.replaceChildren(wave(outline));
  }

  at(position, length) {
    const share = length > 0 ? Math.min(1, position / length) : 0;
    this.node.style.setProperty('--at', String(share));
    this.node.classList.toggle('at-start', share === 0);
    this.seek.value = 1000 * share;
    this.seek.setAttribute('aria-valuetext', `${position.toFixed(1)} of ${length.toFixed(1)} seconds`);
  }
}

/** Calls once when an element comes near to what is seen. */
export function whenSeen(node, act) {
  const watch = new IntersectionObserver((seen) => {
    if (!seen.some((one) => one.isIntersecting)) return;
    watch.disconnect();
    act();
  }, { rootMargin: '300px' });
  watch.observe(node);
}

/** One sound: a button, its outline, its length; the outline may be known already. */
export function sound(path, name, tint = 'predicted', outlined = () => outlineOf(path)) {
  const audio = el('audio', { preload: 'none' });
  const press = el('button', { type: 'button', class: 'round', 'aria-label': `Play ${name}`, 'aria-pressed': 'false', onclick: () => (audio.paused ? play() : audio.pause()) });
  const clock = el('output', { class: 'small' }, '–');
  const node = el('div', { class: `sound tint-${tint}`, role: 'group', 'aria-label': name });
  let length = 0;
  let [ready, wanted] = [undefined, isOdd(path)];
  const scrub = new Scrub(name, (share) => { audio.currentTime = share * length; show(); });
  node.append(press, scrub.node, clock, audio);

  /** What the browser cannot play is made into what it can, once. */
  async function source() {
    const found = wanted ? await converted(path) : path;
    audio.src = `${fileUrl(found)}?v=${Date.now()}`;
  }
  async function play() {
    alone(stop);
    try {
      const at = audio.currentTime;
      ready ??= source();
      await ready;
      if (at && !audio.currentTime) audio.currentTime = at;
      await audio.play();
    } catch (error) {
      // Stopped before it began, or about to be made playable.
      if (error.name !== 'AbortError' && error.name !== 'NotSupportedError') tellError(error);
    }
  }
  function again() {
    if (!ready) return;
    if (wanted) return tellError(new Error(`${name}: it cannot be played`));
    [ready, wanted] = [undefined, true];
    return play();
  }
  function show() {
    scrub.at(audio.currentTime, length);
    clock.textContent = `${minutes(audio.currentTime)} / ${minutes(length)}`;
  }
  function stop() {
    audio.pause();
  }
  for (const kind of ['play', 'pause', 'ended']) {
    audio.addEventListener(kind, () => {
      press.setAttribute('aria-pressed', String(!audio.paused));
      press.setAttribute('aria-label', `${audio.paused ? 'Play' : 'Pause'} ${name}`);
      follow();
    });
  }
  function follow() {
    show();
    if (!audio.paused) requestAnimationFrame(follow);
  }
  audio.addEventListener('error', again);
  whenSeen(node, () => outlined().then((outline) => {
    length = outline.seconds;
    scrub.draw(outline);
    show();
  }, (error) => scrub.picture.replaceChildren(el('p', { class: 'problem small' }, error.message))));
  return node;
}

/** A sound under its name. */
export const named = (name, player) => el('div', { class: 'named' }, el('p', { class: 'small' }, name), player);

let context;

/** Fetched and decoded; one context for all, which only a gesture may start. */
async function decode(path) {
  context ??= new AudioContext();
  const bytes = async (of) => {
    const response = await fetch(`${fileUrl(of)}?v=${Date.now()}`);
    if (!response.ok) throw new Error(await response.text());
    return response.arrayBuffer();
  };
  const converting = async () => context.decodeAudioData(await bytes(await converted(path)));
  if (isOdd(path)) return converting();
  const found = await bytes(path);
  return context.decodeAudioData(found).catch(converting);
}

function rms(buffer) {
  const data = buffer.getChannelData(0);
  let sum = 0;
  for (const x of data) sum += x * x;
  return Math.sqrt(sum / Math.max(1, data.length));
}

function peak(buffer) {
  const data = buffer.getChannelData(0);
  let most = 0;
  for (const x of data) most = Math.max(most, Math.abs(x));
  return most;
}

/** Probability of at least `right` of `count` by guessing: the binomial distribution's tail at one half. */
export function byChance(right, count) {
  let term = 1;
  let sum = 0;
  for (let k = 0; k <= count; k++) {
    if (k >= right) sum += term;
    term = (term * (count - k)) / (k + 1);
  }
  return sum / 2 ** count;
}

/** Sounds under one play position; switching between them leaves no gap. */
class Deck {
  /** `sources`: `{ name, tint, path }`; `measure`: the name of the one whose level the others take. */
  constructor(sources, measure) {
    this.sources = sources;
    this.measure = measure;
    this.heard = sources[0].name;
    this.matched = true;
    this.position = 0;
    this.playing = [];
    this.onMove = () => {};
    this.onStop = () => {};
    this.end = () => this.stop();
  }

  open() {
    this.opening ??= this.fetch();
    return this.opening;
  }

  async fetch() {
    const decoded = this.sources.map(async ({ name, path }) => [name, await decode(path)]);
    this.buffers = new Map(await Promise.all(decoded));
    this.length = Math.min(...[...this.buffers.values()].map((buffer) => buffer.duration));
    const level = rms(this.buffers.get(this.measure) ?? this.buffers.values().next().value);
    this.gains = new Map([...this.buffers].map(([name, buffer]) => [name, rms(buffer) > 1e-6 && level > 1e-6 ? level / rms(buffer) : 1]));
    // A raised sound must not clip: then all are played lower.
    this.headroom = 1 / Math.max(1, ...[...this.buffers].map(([name, buffer]) => peak(buffer) * this.gains.get(name)));
  }

  gain(name) {
    return name === this.heard ? (this.matched ? this.gains.get(name) * this.headroom : 1) : 0;
  }

  async play() {
    alone(this.end);
    await this.open();
    await context.resume();
    // Another may have been started meanwhile.
    if (heard !== this.end) return;
    this.cut();
    this.started = context.currentTime - this.position;
    this.playing = [...this.buffers].map(([name, buffer]) => {
      const source = context.createBufferSource();
      const gain = context.createGain();
      source.buffer = buffer;
      source.loop = true;
      source.loopEnd = this.length;
      gain.gain.value = this.gain(name);
      source.connect(gain).connect(context.destination);
      source.start(0, this.position % this.length);
      return { name, source, gain };
    });
    cancelAnimationFrame(this.frame);
    const move = () => {
      if (!this.playing.length) return;
      this.position = (context.currentTime - this.started) % this.length;
      this.onMove(this.position, this.length);
      this.frame = requestAnimationFrame(move);
    };
    move();
  }

  cut() {
    for (const { source } of this.playing) source.stop();
    this.playing = [];
  }

  stop() {
    this.cut();
    this.onStop();
  }

  hear(name) {
    this.heard = name;
    for (const { name: other, gain } of this.playing) gain.gain.setTargetAtTime(this.gain(other), context.currentTime, 0.005);
  }

  get isPlaying() {
    return this.playing.length > 0;
  }
}

/** A deck with its buttons. Sources are chosen by 1, 2, 3; space plays. */
export function deck(sources, measure) {
  const together = new Deck(sources, measure);
  const play = el('button', { type: 'button', class: 'round', 'aria-label': 'Play', 'aria-pressed': 'false', onclick: () => toggle().catch(tellError) });
  const scrub = new Scrub('the excerpt', (share) => move(share).catch(tellError));
  const clock = el('output', { class: 'small' }, '0.0 s');
  const choices = sources.map((source, at) => {
    const choice = button('', () => choose(at), { class: `source tint-${source.tint}`, 'aria-pressed': String(at === 0) });
    choice.append(el('kbd', {}, String(at + 1)), ` ${source.name}`);
    return choice;
  });
  const match = el('input', { type: 'checkbox', checked: true, onchange: () => { together.matched = match.checked; together.hear(together.heard); } });
  const outlines = sources.map(({ path }) => outlineOf(path));
  together.onMove = (position, length) => {
    scrub.at(position, length);
    clock.textContent = `${position.toFixed(1)} s`;
  };
  together.onStop = shown;

  function shown() {
    play.setAttribute('aria-label', together.isPlaying ? 'Pause' : 'Play');
    play.setAttribute('aria-pressed', String(together.isPlaying));
  }
  async function toggle() {
    if (together.isPlaying) together.stop();
    else await together.play();
    shown();
  }
  async function move(share) {
    await together.open();
    together.position = share * together.length;
    together.onMove(together.position, together.length);
    if (together.isPlaying) await together.play();
  }
  function choose(at) {
    together.hear(sources[at].name);
    choices.forEach((choice, index) => choice.setAttribute('aria-pressed', String(index === at)));
    node.className = `deck tint-${sources[at].tint}`;
    outlines[at].then((outline) => { if (sources[at].name === together.heard) scrub.draw(outline); }, tellError);
  }
  function key(event) {
    if (/^(INPUT|TEXTAREA|SELECT|BUTTON)$/.test(event.target.tagName) && event.key === ' ') return;
    const at = Number(event.key) - 1;
    if (event.key === ' ') { event.preventDefault(); toggle().catch(tellError); } else if (sources[at]) choose(at);
  }
  const node = el('div', { class: 'deck', role: 'group', 'aria-label': 'Listen and compare', onkeydown: key, tabindex: -1 },
    el('div', { class: 'transport' }, play, scrub.node, clock),
    el('div', { class: 'sources', role: 'group', 'aria-label': 'What is heard' }, choices),
    el('div', { class: 'options' }, el('label', {}, match, ' at one level'), el('span', { class: 'hint' }, 'keys 1, 2, 3 switch, space plays')));
  choose(0);
  return { node, stop: () => together.stop() };
}

/** Blind: X is one of two sounds, at one level; the listener says which, again and again. */
export function blind(a, b) {
  const together = new Deck([{ ...a, name: 'A' }, { ...b, name: 'B' }], 'A');
  let answer = coin();
  let [right, count, listened] = [0, 0, false];
  const result = el('p', { class: 'small', role: 'status', 'data-abx': '' }, 'Listen to A, B and X, as often as you like; then say which X is. Ten guesses or more tell something.');
  const pressed = (name) => { for (const other of listen.children) other.setAttribute('aria-pressed', String(other.textContent === name)); };
  const hear = (name, source) => button(name, async () => {
    together.hear(source());
    if (name === 'X') listened = true;
    if (!together.isPlaying) await together.play();
    pressed(name);
  }, { 'aria-pressed': 'false' });
  const listen = el('div', { class: 'sources', role: 'group', 'aria-label': 'Hear' },
    hear('A', () => 'A'), hear('B', () => 'B'), hear('X', () => answer));
  together.onStop = () => pressed(undefined);
  const guess = (name) => button(`X is ${name}`, () => {
    if (!listened) throw new Error('listen to X first');
    count += 1;
    if (name === answer) right += 1;
    answer = coin();
    listened = false;
    // X may have become the other one: it is heard when it is asked for.
    together.stop();
    const chance = byChance(right, count);
    const verdict = chance < 0.05 ? 'You do hear a difference.' : 'That is no proof of a difference.';
    result.textContent = `${right} of ${count} right. By guessing alone one is at least so good with a probability of ${(100 * chance).toFixed(1)} %. ${verdict}`;
  });
  const node = el('details', { class: 'blind' }, el('summary', {}, 'Blind: can you hear which is which?'),
    el('p', { class: 'small' }, `A is ${a.name}, B is ${b.name}; X is one of them, drawn anew after every guess. All at one level.`),
    listen, el('div', { class: 'row' }, guess('A'), guess('B'), button('Stop the sound', () => together.stop(), { class: 'quiet' })), result);
  return { node, stop: () => together.stop() };
}

/** A fair coin. */
function coin() {
  return crypto.getRandomValues(new Uint8Array(1))[0] & 1 ? 'A' : 'B';
}
