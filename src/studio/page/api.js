// Talking to the studio: requests, verbs with what they say on the way, uploads, and events.

/** A refusal, in the studio's own words. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

async function request(method, path, body, more = {}) {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const sent = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, { method, body: sent, headers, credentials: 'same-origin', ...more });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'effigy studio does not answer; is it still running?');
  }
  if (!response.ok) throw new Refused(response.status, await response.text());
  return response;
}

export const get = async (path) => (await request('GET', path)).json();
export const getText = async (path) => (await request('GET', path)).text();
export const post = async (path, body) => (await request('POST', path, body)).json();
export const putText = async (path, text) => (await request('PUT', path, text)).json();

/** The address of a file of the folder. */
export const fileUrl = (path, query = '') => `/files/${path.split('/').map(encodeURIComponent).join('/')}${query}`;

/** Exchanges the token in the address for a cookie, and takes it out of the address. */
export async function enter() {
  const token = location.hash.slice(1);
  if (!/^[0-9a-f]{64}$/.test(token)) return;
  history.replaceState(null, '', '#capture');
  await post('/api/session', { token });
}

/** Runs a verb; `work` hears how far it is and what it says on the way. Returns its result. */
export async function run(verb, values, { work, signal } = {}) {
  const response = await request('POST', '/api/do', { verb, values }, { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines.filter(Boolean)) {
      const told = JSON.parse(line);
      if (told.error) throw new Refused(422, told.error);
      if (told.done) return told.done;
      if (told.progress) work?.progress(told.progress);
      else work?.note(told.note);
    }
  }
  throw new Refused(0, 'the studio was ended while this was being made; nothing half-made was left');
}

/** A file's own name as the studio takes it: no signs that lead elsewhere on some system, and not too long. */
export function safe(name) {
  const dot = name.lastIndexOf('.');
  const ending = dot > 0 ? name.slice(dot).slice(0, 12) : '';
  const letters = [...(dot > 0 ? name.slice(0, dot) : name).replace(/[\\/:\p{Cc}]/gu, '-').replace(/^\.+/, '')];
  while (new TextEncoder().encode(letters.join('')).length > 120) letters.pop();
  const stem = letters.join('').trim() || 'sound';
  const kept = (stem + ending).replace(/[. ]+$/, '');
  return /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i.test(kept) ? `_${kept}` : kept;
}

/** Sends a file; `share` hears how much of it has gone. Returns where it is: not in place of another of its name. */
export function upload(file, path, share) {
  return new Promise((resolve, reject) => {
    const sent = new XMLHttpRequest();
    const to = path.split('/').map(safe).join('/');
    sent.open('PUT', `/api/upload?to=${encodeURIComponent(to)}`);
    sent.upload.addEventListener('progress', (event) => { if (event.lengthComputable) share?.(event.loaded / event.total); });
    sent.addEventListener('load', () => (sent.status === 200 ? resolve(JSON.parse(sent.responseText).path) : reject(new Refused(sent.status, sent.responseText))));
    sent.addEventListener('error', () => reject(new Refused(0, `${file.name}: the studio did not take it`)));
    sent.send(file);
  });
}

/**
 * Hears of every change in the folder and, of a run, of every line of its log. A page in the background
 * listens to nothing; what it comes back to is told from where it left off.
 */
export class Listener {
  constructor({ run, onEpoch, onChange, onLost }) {
    Object.assign(this, { run, onEpoch, onChange, onLost, seen: 0, closed: false });
    this.visible = () => (document.hidden ? this.stop() : this.start());
    document.addEventListener('visibilitychange', this.visible);
    this.start();
  }

  start() {
    if (this.source || this.closed) return;
    const query = this.run ? `?run=${encodeURIComponent(this.run)}&seen=${this.seen}` : '';
    this.source = new EventSource(`/api/events${query}`);
    this.source.addEventListener('epoch', (event) => {
      const number = Number(event.lastEventId);
      if (number <= this.seen) return;
      this.seen = number;
      this.onEpoch?.(number, JSON.parse(event.data));
    });
    this.source.addEventListener('change', () => this.onChange?.());
    this.source.addEventListener('error', () => { if (this.source?.readyState === EventSource.CLOSED) this.onLost?.(); });
  }

  stop() {
    this.source?.close();
    this.source = undefined;
  }

  close() {
    this.closed = true;
    this.stop();
    document.removeEventListener('visibilitychange', this.visible);
  }
}
