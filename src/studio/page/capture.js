// Capture: recordings in, the verdict on them, what would be trained, and the start of it.

import { get, getText, post, putText, run, upload } from './api.js';
import { sound } from './player.js';
import { alignment, attack, levels, onset } from './pictures.js';
import { base, button, el, field, plain, say, select, stem, tellError, working } from './ui.js';
import { GEAR, kind, PLAYERS, TONES } from './words.js';

const SOUND = /\.(wav|aiff?|aifc|flac|mp3|og[ga])$/i;

/** Whether a file's name says that it is the side without the effect. */
const saysDry = (name) => /(^|[^a-z])(dry|di|input|clean|in|source)([^a-z]|$)/i.test(stem(name));
const saysWet = (name) => /(^|[^a-z])(wet|output|out|amped|processed|target)([^a-z]|$)/i.test(stem(name));

/** Files of a drop, folders too. */
async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  const found = [];
  const walk = async (entry) => {
    if (entry.isFile) {
      const file = await new Promise((done, fail) => entry.file(done, fail));
      const parts = entry.fullPath.split('/').filter(Boolean);
      if (parts.length > 1) file.folder = parts.at(-2);
      found.push(file);
    }
    else {
      const reader = entry.createReader();
      for (;;) {
        const more = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!more.length) break;
        for (const inner of more) await walk(inner);
      }
    }
  };
  for (const entry of entries) await walk(entry);
  return found;
}

/** The room. */
export async function show(place, studio) {
  const capture = { files: [], made: [] };
  const picker = (label, more) => {
    const input = el('input', { type: 'file', multiple: true, hidden: true, 'data-files': '', 'aria-label': label, onchange: () => take([...input.files]).finally(() => { input.value = ''; }), ...more });
    return [button(label, () => input.click()), input];
  };
  const zone = el('div', { class: 'zone', 'data-zone': '' },
    el('p', { class: 'big' }, 'Drop a dry and a wet recording here'),
    el('p', { class: 'zone-more' }, 'The same passage, once without and once with the effect. Several pairs, or a folder with one dry and many wets, are fine too. WAV, AIFF, FLAC, MP3 and OGG are read.'),
    el('p', { class: 'row' }, picker('Choose files …', { accept: 'audio/*,.aif,.aiff,.flac,.ogg,.wav,.mp3' }), picker('Choose a folder …', { webkitdirectory: true }),
      button('Start over', () => studio.show(), { class: 'quiet start-over' })));
  for (const kind of ['dragenter', 'dragover']) zone.addEventListener(kind, (event) => { event.preventDefault(); zone.classList.add('over'); });
  for (const kind of ['dragleave', 'drop']) zone.addEventListener(kind, () => zone.classList.remove('over'));
  zone.addEventListener('drop', (event) => { event.preventDefault(); filesOf(event.dataTransfer).then(take).catch(tellError); });

  const list = el('div');
  const settings = el('div');
  const verdict = el('div', { 'aria-live': 'polite' });
  const earlier = el('div');
  place.append(
    el('section', { 'aria-labelledby': 'h-capture' }, el('h1', { id: 'h-capture' }, 'Capture an effect'),
      el('p', { class: 'lead' }, 'From two recordings to a model that plays in your plugin.'), zone, list, settings),
    verdict, earlier);

  async function take(files) {
    const sounds = files.filter((file) => SOUND.test(file.name));
    const others = files.filter((file) => !SOUND.test(file.name) && !file.name.startsWith('.'));
    if (!sounds.length) throw new Error(`${others.map((file) => file.name).slice(0, 3).join(', ') || 'nothing'}: not a sound file that is read here; WAV, AIFF, FLAC, MP3 and OGG are`);
    if (others.length) say(`left out, for they are no sound files: ${others.map((file) => file.name).slice(0, 5).join(', ')}${others.length > 5 ? ' …' : ''}`, 'warning');
    if (!capture.folder) capture.folder = freeName(plain(folderName(sounds)), studio.overview.recordings.map((f) => f.name.split('/')[0]));
    for (const file of sounds) {
      const known = capture.files.find((other) => other.name === file.name);
      const item = known ?? { name: file.name, role: 'wet' };
      item.role = saysDry(file.name) ? 'dry' : 'wet';
      if (!known) capture.files.push(item);
      draw();
      const work = working(`Taking ${file.name}`);
      item.row.append(work.node);
      try {
        item.path = await upload(file, `recordings/${capture.folder}/${file.name}`, work.share);
      } catch (error) {
        capture.files = capture.files.filter((other) => other !== item);
        tellError(error);
      } finally {
        work.done();
      }
    }
    settle();
    draw();
    outlines();
    ask();
    offer();
    await suggest();
  }

  /** Where names say nothing, the first is dry. */
  function settle() {
    const dry = capture.files.filter((file) => file.role === 'dry');
    if (!dry.length && capture.files.length > 1) (capture.files.find((file) => !saysWet(file.name)) ?? capture.files[0]).role = 'dry';
  }

  function draw() {
    zone.classList.toggle('small-zone', capture.files.length > 0);
    zone.querySelector('.big').textContent = capture.files.length ? 'Drop more here' : 'Drop a dry and a wet recording here';
    list.replaceChildren(el('ul', { class: 'files', 'aria-label': 'Dropped recordings' }, capture.files.map((file) => {
      const role = select([['dry', 'dry: without the effect'], ['wet', 'wet: through the effect'], ['out', 'leave it out']], file.role, { 'aria-label': `What ${file.name} is`, onchange: () => { file.role = role.value; draw(); outlines(); suggest().catch(tellError); } });
      file.picture = el('div', { class: 'outline' });
      file.about = el('span', { class: 'small' });
      file.row = el('li', {}, el('div', { class: 'file-head' }, el('strong', {}, file.name), file.about, role), file.picture);
      return file.row;
    })));
    const [dry, wet] = ['dry', 'wet'].map((role) => capture.files.filter((file) => file.role === role));
    if (dry.length === 1 && wet.length === 1) {
      list.append(button('Swap dry and wet', () => { [dry[0].role, wet[0].role] = ['wet', 'dry']; draw(); outlines(); return suggest(); }, { class: 'quiet' }));
    }
  }

  function outlines() {
    for (const file of capture.files.filter((f) => f.path)) {
      file.outlined ??= get(`/api/outline?of=${encodeURIComponent(file.path)}`);
      file.player ??= sound(file.path, file.name, file.role, () => file.outlined);
      file.player.className = `sound tint-${file.role}`;
      file.picture.replaceChildren(file.player);
      // What cannot be decoded says so in its player's place.
      file.outlined.then((outline) => { file.about.textContent = `${outline.seconds.toFixed(1)} s, ${outline.rate / 1000} kHz, ${outline.channels === 1 ? 'mono' : `${outline.channels} channels`}`; }, () => {});
    }
  }

  const form = {
    name: el('input', { type: 'text', autocomplete: 'off', 'data-name': '' }),
    player: select(PLAYERS, 'nam', { onchange: () => suggest().catch(tellError) }),
    minutes: el('input', { type: 'number', min: 0.1, step: 'any', value: 5, 'data-minutes': '', onchange: () => budget().catch(tellError) }),
    together: select([['each', 'one model for each wet recording'], ['all', 'one model of all: takes of one effect'], ['knobs', 'one model with knobs: settings of one effect']], 'each', { onchange: () => { form.knobsField.hidden = form.together.value !== 'knobs'; suggest().catch(tellError); } }),
    knobs: el('input', { type: 'text', placeholder: 'amp-g{gain}-t{tone}', autocomplete: 'off', onchange: () => suggest().catch(tellError) }),
    latency: el('input', { type: 'number', step: '1', placeholder: 'measured', onchange: () => suggest().catch(tellError) }),
    type: select(GEAR, ''), make: el('input', { type: 'text', autocomplete: 'off' }), model: el('input', { type: 'text', autocomplete: 'off' }),
    tone: select(TONES, ''), by: el('input', { type: 'text', autocomplete: 'name' }),
  };
  form.name.addEventListener('change', () => suggest().catch(tellError));
  for (const name of ['type', 'make', 'model', 'tone', 'by']) form[name].addEventListener('change', () => describe().catch(tellError));

  function ask() {
    if (settings.childElementCount) return;
    form.name.value = freeName(capture.folder, studio.overview.configs.map((f) => stem(f.name)));
    form.knobsField = field('How knobs stand in the names', form.knobs, 'The wet files’ names with each knob in braces');
    form.knobsField.hidden = true;
    form.togetherField = field('What to make of several', form.together);
    settings.append(el('h2', {}, 'What it is'),
      el('div', { class: 'fields' }, field('Name', form.name, 'Names the model'), field('Made for', form.player), field('Minutes to spend', form.minutes, 'Looking for a network and training it'),
        form.togetherField, form.knobsField),
      el('details', {}, el('summary', {}, 'More: gear, tone, delay'), el('div', { class: 'fields' },
        field('Kind of gear', form.type), field('Maker', form.make), field('Gear', form.model), field('Tone', form.tone), field('Captured by', form.by),
        field('Delay of wet in samples', form.latency, 'Only if you know it better'))));
  }

  /** What is to be made: `{ name, dry, wet }`, one or several. */
  function wanted() {
    const [dry, wet] = ['dry', 'wet'].map((role) => capture.files.filter((f) => f.role === role && f.path).map((f) => f.path));
    const name = plain(form.name.value);
    if (!dry.length || !wet.length) return [];
    const pairs = dry.length === 1 ? wet.map((one) => [dry[0], one]) : matched(dry, wet);
    const several = pairs.length > 1;
    form.togetherField.hidden = !several;
    if (!several || form.together.value !== 'each') return [{ name, dry: dry.length === 1 ? dry : pairs.map((p) => p[0]), wet: pairs.map((p) => p[1]) }];
    const own = (w) => (plain(stem(w)).startsWith(name) ? plain(stem(w)) : `${name}-${plain(stem(w))}`);
    return pairs.map(([d, w]) => ({ name: own(w), dry: [d], wet: [w] }));
  }

  let stop;
  /** Asks `new` for each, which looks as `check` does. */
  async function suggest() {
    stop?.abort();
    const control = (stop = new AbortController());
    const jobs = wanted();
    verdict.replaceChildren();
    capture.made = [];
    if (!jobs.length) {
      if (capture.files.length) verdict.append(el('p', { class: 'lead' }, capture.files.length === 1 ? 'One side is there; now the other.' : 'Say which recording is dry and which is wet.'));
      return;
    }
    for (const job of jobs) {
      const work = working(`Listening to ${job.wet.map(base).join(', ')}`, () => control.abort());
      verdict.append(work.node);
      const values = { ...job, budget: `${Number(form.minutes.value) || 5}m`, for: form.player.value, force: true };
      if (form.together.value === 'knobs' && form.knobs.value && job.wet.length > 1) values.knobs = form.knobs.value;
      if (form.latency.value !== '') values.latency = form.latency.value;
      try {
        const found = await run(['new'], values, { work, signal: control.signal });
        const config = await getText(`/api/config?of=${encodeURIComponent(`${job.name}.toml`)}`);
        const made = { ...job, found, text: config };
        capture.made.push(made);
        verdict.append(suggestion(made));
        await describe(made);
      } catch (error) {
        if (control.signal.aborted) return;
        verdict.append(await unfit(job, error));
      } finally {
        work.done();
      }
    }
    const all = capture.made.length;
    if (all > 1) verdict.append(el('p', { class: 'row' }, button(`Train all ${all}`, () => begin(capture.made, 'queue'), { class: 'primary' })));
  }

  /** Recordings that cannot be used: what `check` finds, or, where it finds nothing, the sentence. */
  async function unfit(job, error) {
    // Where it fails as well, the sentence says why.
    const check = await run(['check'], { dry: job.dry[0], wet: job.wet[0] }).catch(() => undefined);
    const found = check?.problems?.length > 0;
    return el('section', {}, el('h2', {}, job.name), el('div', { class: 'verdict poor' }, el('p', { class: 'grade' }, 'Not fit as it is'),
      !found && el('p', {}, error.message), check && findings(check)));
  }

  function suggestion(made) {
    const { check, summary } = made.found;
    const effect = kind(check.kind, check.delayed);
    const toml = el('textarea', { value: made.text, rows: 18, spellcheck: false, 'aria-label': `Config of ${made.name}`, oninput: () => { [made.text, made.edited] = [toml.value, true]; } });
    made.toml = toml;
    const heading = el('h2', {}, made.name);
    const node = el('section', { class: 'suggestion', 'data-suggestion': made.name }, heading,
      el('div', { class: `verdict ${check.fit ? (check.cautions.length ? 'fair' : 'great') : 'poor'}` },
        el('p', { class: 'grade' }, check.fit ? 'Fit for training' : 'Not fit as it is'),
        el('p', { class: 'esr' }, el('strong', {}, `${effect.title}. `), effect.text), findings(check),
        el('div', { class: 'row' }, button('Train it', () => begin([made], 'training'), { class: 'primary', 'data-train': '' }), el('span', { class: 'small' }, summary))),
      el('div', { class: 'pictures' }),
      el('details', {}, el('summary', {}, 'The very config'), toml,
        el('p', { class: 'row' }, button('Keep changes', () => save(made), { class: 'quiet' }), el('span', { class: 'small' }, `${made.name}.toml: what \`effigy train ${made.name}.toml\` trains too`))));
    draws(made, node.querySelector('.pictures')).catch(tellError);
    return node;
  }

  function findings(check) {
    const lines = (texts, name) => texts.length > 0 && el('ul', { class: name }, texts.map((text) => el('li', {}, typeof text === 'string' ? text : text.text ?? JSON.stringify(text))));
    const facts = [check.dry && `${check.dry.seconds.toFixed(0)} s at ${check.dry.sample_rate_hz} Hz`, check.gain_db !== null && check.gain_db !== undefined && `wet is ${check.gain_db >= 0 ? '+' : ''}${check.gain_db.toFixed(1)} dB against dry`,
      check.latency && `delay ${check.latency.latency_samples} samples`].filter(Boolean);
    return el('div', {}, el('p', { class: 'small' }, facts.join(' · ')), lines(check.problems ?? [], 'notes problem-list'), lines(check.cautions ?? [], 'notes'));
  }

  async function draws(made, at) {
    const { check } = made.found;
    at.append(el('div', {}, el('h3', {}, 'How loud it is played'), levels([{ name: 'dry', ...check.dry }, { name: 'wet', ...check.wet }])));
    const of = (path) => capture.files.find((file) => file.path === path);
    const outline = await of(made.dry[0]).outlined;
    const latency = check.latency?.latency_samples ?? 0;
    const close = (path, from, count) => get(`/api/close?of=${encodeURIComponent(path)}&from=${from}&count=${Math.min(8192, count)}`);
    // A column of the outline holds many samples; where in it the attack is, the samples say.
    const column = Math.ceil((outline.seconds * outline.rate) / outline.high.length);
    const rough = attack(outline);
    const from = Math.max(0, rough + onset((await close(made.dry[0], rough, column + 256)).samples) - 150 - Math.max(0, -latency));
    const [dry, wet] = await Promise.all([made.dry[0], made.wet[0]].map((path) => close(path, from, 700 + Math.abs(latency))));
    at.append(el('div', {}, el('h3', {}, 'How the two line up'), alignment(dry.samples, wet.samples, latency, dry.rate)));
  }

  /** What is said of the gear, in the config where `export` finds it. */
  async function describe(one) {
    const said = { gear_type: form.type.value, gear_make: form.make.value, gear_model: form.model.value, tone_type: form.tone.value, modeled_by: form.by.value };
    const lines = Object.entries(said).filter(([, value]) => value.trim()).map(([key, value]) => `${key} = ${JSON.stringify(value.trim())}`);
    for (const made of one ? [one] : capture.made) {
      const without = made.text.replace(/\n*\[metadata\]\n(?:[a-z_]+ = .*\n?)*/, '\n');
      const text = lines.length ? `${without.trimEnd()}\n\n[metadata]\n${lines.join('\n')}\n` : without;
      if (text !== made.text) await save(made, text);
    }
  }

  async function budget() {
    const minutes = Number(form.minutes.value);
    if (!(minutes > 0)) throw new Error('minutes to spend: a number above 0');
    for (const made of capture.made) await save(made, made.text.replace(/^budget = ".*"$/m, `budget = "${Math.max(1, Math.round(minutes * 60))}s"`));
  }

  async function save(made, text = made.text) {
    await putText(`/api/config?of=${encodeURIComponent(`${made.name}.toml`)}`, text);
    [made.text, made.toml.value, made.edited] = [text, text, false];
  }

  async function begin(made, room) {
    let job;
    for (const one of made) {
      if (one.edited) await save(one);
      job = await post('/api/queue/add', { config: `${one.name}.toml` });
    }
    await studio.look();
    studio.go(room, room === 'training' ? base(job.run) : undefined);
  }

  function offer() {
    const folders = [...new Set(studio.overview.recordings.map((f) => f.name.split('/')).filter((p) => p.length > 1 && p[0] !== 'sounds').map((p) => p[0]))];
    earlier.replaceChildren();
    if (capture.files.length) return;
    if (!folders.length) return earlier.append(steps());
    earlier.append(el('section', { 'aria-labelledby': 'h-earlier' }, el('h2', { id: 'h-earlier' }, 'Dropped earlier'),
      el('ul', { class: 'plain-list' }, folders.map((folder) => el('li', {}, button(folder, () => again(folder), { class: 'quiet' }),
        el('span', { class: 'small' }, studio.overview.recordings.filter((f) => f.name.startsWith(`${folder}/`)).map((f) => base(f.name)).join(', ')))))));
  }

  async function again(folder) {
    capture.folder = folder;
    capture.files = studio.overview.recordings.filter((f) => f.name.startsWith(`${folder}/`) && SOUND.test(f.name)).map((f) => ({ name: base(f.name), path: `recordings/${f.name}`, role: saysDry(f.name) ? 'dry' : 'wet' }));
    settle();
    draw();
    outlines();
    ask();
    offer();
    await suggest();
  }

  offer();
  return { leave: () => stop?.abort(), changed: offer };
}

/** How a capture is made, for whoever makes the first. */
function steps() {
  const step = (title, text) => el('li', {}, el('h3', {}, title), el('p', {}, text));
  return el('section', { 'aria-labelledby': 'h-steps' }, el('h2', { id: 'h-steps' }, 'How it goes'), el('ol', { class: 'steps' },
    step('Record twice', 'Play a minute, soft and loud, low and high. Record it dry; send the very same recording through the amplifier or pedal, and record what comes out.'),
    step('Drop both here', 'They are looked at first: whether they belong together, whether they are loud enough, what kind of effect it is.'),
    step('Train and listen', 'A curve shows how it learns. Hear it against your recording while it does, blind if you like, and stop when you like it.'),
    step('Play it', 'Export for Neural Amp Modeler, AIDA-X and others, or play any file through it here.')));
}

/** Dries and wets whose names differ by these words alone; else in their order. */
function matched(dry, wet) {
  const key = (path) => stem(path).toLowerCase().replace(/dry|wet|input|output|di/g, '');
  const found = dry.map((d) => [d, wet.find((w) => key(w) === key(d))]).filter(([, w]) => w);
  return found.length === dry.length ? found : dry.map((d, at) => [d, wet[at]]).filter(([, w]) => w);
}

/** What recordings are called together: their folder, or what their names share. */
function folderName(files) {
  const folder = files[0].folder ?? files[0].webkitRelativePath?.split('/')[0];
  if (folder) return folder;
  const wet = files.find((file) => !saysDry(file.name)) ?? files[0];
  return stem(wet.name).replace(/[-_ ]*(wet|output|processed)[-_ ]*/i, '') || 'capture';
}

/** `name`, or `name-2`, … */
function freeName(name, taken) {
  for (let n = 1; ; n++) {
    const free = n === 1 ? name : `${name}-${n}`;
    if (!taken.includes(free)) return free;
  }
}
