// Listening: sounds that run together, one of them heard; and blind, to find out whether one hears a difference.

import { fileUrl, post } from './api.js';
import { button, el, tellError } from './ui.js';

/** Where a sound can be had in a form that browsers play. */
async function playable(path) {
  return /\.aif[fc]?$/i.test(path) ? (await post('/api/playable', { of: path })).path : path;
}

let context;

/** Fetched and decoded; one context for all, which only a gesture may start. */
async function decode(path) {
  context ??= new AudioContext();
  const response = await fetch(`${fileUrl(await playable(path))}?v=${Date.now()}`);
  if (!response.ok) throw new Error(await response.text());
  return context.decodeAudioData(await response.arrayBuffer());
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
  }

  async open() {
    if (this.buffers) return;
    this.buffers = new Map(await Promise.all(this.sources.map(async ({ name, path }) => [name, await decode(path)])));
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
    await this.open();
    await context.resume();
    this.stop();
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
    const move = () => {
      if (!this.playing.length) return;
      this.position = (context.currentTime - this.started) % this.length;
      this.onMove(this.position, this.length);
      requestAnimationFrame(move);
    };
    move();
  }

  stop() {
    for (const { source } of this.playing) source.stop();
    this.playing = [];
  }

  hear(name) {
    this.heard = name;
    for (const { name: other, gain } of this.playing) gain.gain.setTargetAtTime(this.gain(other), context.currentTime, 0.005);
  }

  get isPlaying() {
    return this.playing.length > 0;
  }
}

/** A deck with its buttons. Sources that are chosen by 1, 2, 3; space plays. */
export function deck(sources, measure) {
  const sound = new Deck(sources, measure);
  const play = button('Play', toggle, { class: 'play', 'aria-pressed': 'false' });
  const seek = el('input', { type: 'range', min: 0, max: 1000, value: 0, 'aria-label': 'Position', oninput: () => move(seek.value / 1000) });
  const clock = el('output', {}, '0.0 s');
  const choices = sources.map((source, at) => {
    const choice = button('', () => choose(at), { class: `source tint-${source.tint}`, 'aria-pressed': String(at === 0) });
    choice.append(el('kbd', {}, String(at + 1)), ` ${source.name}`);
    return choice;
  });
  const match = el('input', { type: 'checkbox', checked: true, onchange: () => { sound.matched = match.checked; sound.hear(sound.heard); } });
  sound.onMove = (position, length) => {
    seek.value = (1000 * position) / length;
    clock.textContent = `${position.toFixed(1)} s`;
  };

  async function toggle() {
    if (sound.isPlaying) sound.stop();
    else await sound.play();
    play.textContent = sound.isPlaying ? 'Pause' : 'Play';
    play.setAttribute('aria-pressed', String(sound.isPlaying));
  }
  async function move(share) {
    await sound.open();
    sound.position = share * sound.length;
    if (sound.isPlaying) await sound.play();
  }
  function choose(at) {
    sound.hear(sources[at].name);
    choices.forEach((choice, index) => choice.setAttribute('aria-pressed', String(index === at)));
  }
  function key(event) {
    if (/^(INPUT|TEXTAREA|SELECT|BUTTON|AUDIO)$/.test(event.target.tagName) && event.key === ' ') return;
    if (/^(TEXTAREA|SELECT)$/.test(event.target.tagName) || (event.target.tagName === 'INPUT' && event.target.type === 'text')) return;
    const at = Number(event.key) - 1;
    if (event.key === ' ') { event.preventDefault(); toggle(); } else if (sources[at]) choose(at);
  }
  const node = el('div', { class: 'deck', role: 'group', 'aria-label': 'Listen and compare', onkeydown: key, tabindex: -1 },
    el('div', { class: 'transport' }, play, seek, clock),
    el('div', { class: 'sources', role: 'group', 'aria-label': 'What is heard' }, choices),
    el('div', { class: 'options' }, el('label', {}, match, ' at one level'), el('span', { class: 'hint' }, 'keys 1, 2, 3 switch, space plays')));
  return { node, stop: () => { sound.stop(); play.textContent = 'Play'; play.setAttribute('aria-pressed', 'false'); } };
}

/** Blind: X is one of two sounds, at one level; the listener says which, again and again. */
export function blind(a, b) {
  const sound = new Deck([{ ...a, name: 'A' }, { ...b, name: 'B' }], 'A');
  let answer = coin();
  let [right, count] = [0, 0];
  const result = el('p', { class: 'small', role: 'status', 'data-abx': '' }, 'No guess yet. Ten or more tell something.');
  const hear = (name, source) => button(name, async () => {
    sound.hear(source());
    if (!sound.isPlaying) await sound.play();
    for (const other of listen.children) other.setAttribute('aria-pressed', String(other.textContent === name));
  }, { 'aria-pressed': 'false' });
  const listen = el('div', { class: 'sources', role: 'group', 'aria-label': 'Hear' },
    hear('A', () => 'A'), hear('B', () => 'B'), hear('X', () => answer));
  const guess = (name) => button(`X is ${name}`, () => {
    count += 1;
    if (name === answer) right += 1;
    answer = coin();
    const chance = byChance(right, count);
    const verdict = chance < 0.05 ? 'You do hear a difference.' : 'That is no proof of a difference.';
    result.textContent = `${right} of ${count} right. By guessing alone one is at least so good with a probability of ${(100 * chance).toFixed(1)} %. ${verdict}`;
  });
  const node = el('details', { class: 'blind' }, el('summary', {}, 'Blind: can you hear which is which?'),
    el('p', { class: 'small' }, `A is ${a.name}, B is ${b.name}; X is one of them, drawn anew after every guess. All at one level.`),
    listen, el('div', { class: 'row' }, guess('A'), guess('B'), button('Stop the sound', () => sound.stop(), { class: 'quiet' })), result);
  return { node, stop: () => sound.stop() };
}

/** A fair coin. */
function coin() {
  return crypto.getRandomValues(new Uint8Array(1))[0] & 1 ? 'A' : 'B';
}

/** One sound, with the browser's own controls. */
export function single(path, name) {
  const audio = el('audio', { controls: true, preload: 'none', 'aria-label': name });
  playable(path).then((found) => { audio.src = `${fileUrl(found)}?v=${Date.now()}`; }, tellError);
  return el('div', { class: 'single-sound' }, el('span', { class: 'small' }, name), audio);
}
