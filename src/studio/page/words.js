// What the verbs' short words mean to a musician.

const KINDS = {
  linear: ['A tone control', 'Linear: what comes out grows as what goes in, like an equaliser or a cabinet. A plain filter may be all it needs.'],
  'static-nonlinear': ['A distortion', 'It bends the wave, the same way every time: overdrive, fuzz, amplifier. Networks learn this well.'],
  dynamic: ['A compressor', 'It reacts to how loud you have been playing: compressor, limiter, sag. Networks with memory learn this.'],
  varying: ['It moves by itself', 'Chorus, phaser, tremolo: its sound depends on the moment. No network here learns that.'],
  'time-varying': ['It moves by itself', 'Chorus, phaser, tremolo: its sound depends on the moment. No network here learns that.'],
};

/** A short name and a sentence for a kind of effect. */
export function kind(name, delayed) {
  const [title, text] = KINDS[name] ?? [name ? name.replaceAll('-', ' ') : 'Unknown', ''];
  return { title: delayed ? `${title}, with an echo` : title, text };
}

/** What a validation error means; the command line's own bounds. */
export function grade(esr) {
  const value = Number(esr);
  if (!Number.isFinite(value)) return ['', ''];
  if (value < 0.01) return ['great', 'great'];
  if (value < 0.035) return ['good', 'not bad'];
  if (value < 0.1) return ['fair', 'might sound ok'];
  return ['poor', 'not there yet'];
}

/** What a job's state is called. */
export const STATES = {
  waiting: 'waiting', running: 'training', stopping: 'stopping', paused: 'paused', stopped: 'stopped', failed: 'failed', done: 'done',
};

export const GEAR = [['', 'not said'], ['amp', 'amplifier'], ['pedal', 'pedal'], ['pedal_amp', 'pedal and amplifier'], ['amp_cab', 'amplifier and cabinet'], ['amp_pedal_cab', 'pedal, amplifier and cabinet'], ['preamp', 'preamplifier'], ['studio', 'studio gear']];
export const TONES = [['', 'not said'], ['clean', 'clean'], ['overdrive', 'overdrive'], ['crunch', 'crunch'], ['hi_gain', 'high gain'], ['fuzz', 'fuzz']];
export const PLAYERS = [['nam', 'Neural Amp Modeler (.nam)'], ['aidax', 'AIDA-X (.aidax)'], ['any', 'anything; the best wins']];

/** What the verbs' options are called here, where their own names say little. */
export const LABELS = {
  by: 'order by', play: 'how frames are played', seconds: 'length in seconds', reverse: 'backwards', hop: 'frame step', win: 'frame length',
  'n-fft': 'transform length', mels: 'mel bands', 'no-db': 'plain energies', volume: 'loudness', 'weight-frequencies': 'low notes count more',
  compat: 'as the old notebook did', walk: 'wander', 'each-channel': 'each channel for itself', iterations: 't-SNE steps', perplexity: 't-SNE neighbours',
  factor: 'new length, × the old one', tape: 'as on tape', linear: 'straight lines', crossfade: 'fade at each join, ms', estimator: 'model',
  both: 'both ways', mode: 'what is predicted', direct: 'without a model', rcond: 'smallest direction', alpha: 'penalty', trim: 'trim silence',
  normalise: 'peak level, dBFS', 'noise-reduction': 'less noise', portion: 'part that is kept', 'held-out': 'which clip', 'leave-one-out': 'every clip in turn',
  prefix: 'names begin with', wrap: 'wrap around',
};
