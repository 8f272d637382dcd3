// The link to the section in view.
(() => {
  const links = new Map();
  for (const link of document.querySelectorAll('nav a')) links.set(link.hash.slice(1), link);
  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) seen.add(entry.target.id);
      else seen.delete(entry.target.id);
    }
    const first = [...links.keys()].find((id) => seen.has(id));
    for (const [id, link] of links) link.classList.toggle('here', id === first);
  }, { rootMargin: '-20% 0px -60% 0px' });
  for (const section of document.querySelectorAll('main section')) watcher.observe(section);
})();

// Values under the pointer.
for (const area of document.querySelectorAll('.area')) {
  const axis = (text) => {
    const [from, to, kind] = text.split(' ');
    const [a, b] = [Number(from), Number(to)];
    return kind === 'log' ? (share) => a * (b / a) ** share : (share) => a + (b - a) * share;
  };
  if (!area.dataset.x || !area.dataset.y) continue;
  const [toX, toY] = [axis(area.dataset.x), axis(area.dataset.y)];
  let cross, read;
  const short = (value) => String(Number(value.toPrecision(3)));
  area.addEventListener('pointermove', (event) => {
    if (!cross) {
      cross = area.appendChild(Object.assign(document.createElement('div'), { className: 'cross' }));
      read = area.appendChild(Object.assign(document.createElement('div'), { className: 'read' }));
    }
    const box = area.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = 1 - (event.clientY - box.top) / box.height;
    if (x < 0 || x > 1 || y < 0 || y > 1) return;
    cross.style.left = `${x * 100}%`;
    read.style.left = x < 0.5 ? `calc(${x * 100}% + .5rem)` : 'auto';
    read.style.right = x < 0.5 ? 'auto' : `calc(${(1 - x) * 100}% + .5rem)`;
    read.textContent = `${short(toX(x))} | ${short(toY(y))}`;
  });
  area.addEventListener('pointerleave', () => {
    if (cross) cross.remove();
    if (read) read.remove();
    cross = read = undefined;
  });
}

// The deck: all sounds run together, one is heard.
for (const deck of document.querySelectorAll('[data-deck]')) {
  const one = (name) => deck.querySelector(`[data-${name}]`);
  const sounds = [...document.querySelectorAll('audio[data-plain]')];
  const buttons = [...deck.querySelectorAll('[data-source]')];
  const [play, seek, clock] = [one('play'), one('seek'), one('clock')];
  const [strip, head] = [one('strip'), deck.querySelector('.head')];
  const [match, raise, loop] = [one('match'), one('raise'), one('loop')];
  const length = Number(seek.max);
  let context, buffers, gains, nodes = [];
  let chosen = 1, position = 0, startedAt = 0, playing = false;

  // The WAV data were written by the page's maker: 16-bit mono after a header of 44 bytes.
  const decode = (audio) => {
    const text = atob(audio.src.slice(audio.src.indexOf(',') + 1));
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    const count = (bytes.length - 44) / 2;
    const buffer = context.createBuffer(1, count, view.getUint32(24, true));
    const channel = buffer.getChannelData(0);
    for (let n = 0; n < count; n++) channel[n] = view.getInt16(44 + 2 * n, true) / 32768;
    return buffer;
  };
  const open = () => {
    if (context) return;
    context = new AudioContext();
    buffers = sounds.map(decode);
    gains = sounds.map(() => {
      const gain = context.createGain();
      gain.gain.value = 0;
      gain.connect(context.destination);
      return gain;
    });
  };
  const level = (index) => {
    const data = sounds[index].dataset;
    const residual = raise && index === sounds.length - 1;
    let db = Number(match.checked ? data.matched : data.plain);
    if (residual && raise.checked) db = Number(data.raised);
    const headroom = match.checked || (residual && raise.checked) ? Number(deck.dataset.headroom) : 0;
    return 10 ** ((db + headroom) / 20);
  };
  const mix = () => {
    buttons.forEach((button, index) => button.setAttribute('aria-pressed', String(index === chosen)));
    if (!context) return;
    // A fade of a few milliseconds: no click, no gap.
    gains.forEach((gain, index) => {
      gain.gain.setTargetAtTime(index === chosen ? level(index) : 0, context.currentTime, 0.004);
    });
  };
  const now = () => {
    if (!playing) return position;
    const at = context.currentTime - startedAt;
    return loop.checked ? at % length : Math.min(at, length);
  };
  const show = () => {
    const at = now();
    seek.value = at;
    seek.setAttribute('aria-valuetext', `${at.toFixed(1)} of ${length.toFixed(1)} seconds`);
    head.style.left = `${(at / length) * 100}%`;
    clock.textContent = `${at.toFixed(1)} / ${length.toFixed(1)} s`;
  };
  const stop = () => {
    position = now();
    playing = false;
    for (const node of nodes) node.stop();
    nodes = [];
    play.textContent = 'Play';
    play.setAttribute('aria-pressed', 'false');
    show();
  };
  const start = () => {
    open();
    context.resume();
    if (position >= length - 0.01) position = 0;
    // One instant for all, so that they stay together to the sample.
    const when = context.currentTime + 0.02;
    nodes = buffers.map((buffer, index) => {
      const node = context.createBufferSource();
      node.buffer = buffer;
      node.loop = loop.checked;
      node.connect(gains[index]);
      node.start(when, position);
      return node;
    });
    startedAt = when - position;
    playing = true;
    play.textContent = 'Pause';
    play.setAttribute('aria-pressed', 'true');
    mix();
    requestAnimationFrame(tick);
  };
  const tick = () => {
    if (!playing) return;
    if (!loop.checked && now() >= length) stop();
    else {
      show();
      requestAnimationFrame(tick);
    }
  };
  const toggle = () => (playing ? stop() : start());
  const move = (to) => {
    const was = playing;
    if (was) stop();
    position = Math.max(0, Math.min(length, to));
    if (was) start();
    show();
  };
  const choose = (index) => {
    if (!buttons[index]) return;
    chosen = index;
    mix();
  };

  play.addEventListener('click', toggle);
  buttons.forEach((button, index) => button.addEventListener('click', () => choose(index)));
  seek.addEventListener('input', () => move(Number(seek.value)));
  const point = (event) => {
    const box = strip.getBoundingClientRect();
    move((event.clientX - box.left) / box.width * length);
  };
  strip.addEventListener('pointerdown', (event) => {
    strip.setPointerCapture(event.pointerId);
    point(event);
  });
  strip.addEventListener('pointermove', (event) => {
    if (strip.hasPointerCapture(event.pointerId)) point(event);
  });
  match.addEventListener('change', mix);
  if (raise) raise.addEventListener('change', mix);
  loop.addEventListener('change', () => move(now()));
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    const digit = Number(event.key);
    if (digit >= 1 && digit <= buttons.length) {
      choose(digit - 1);
    } else if (event.key === ' ') {
      // A focused check box or link keeps its own meaning of the space bar.
      const own = target.closest('a, summary, input[type=checkbox], audio, pre, .scroll, [data-theme-toggle]');
      if (own) return;
      event.preventDefault();
      if (!event.repeat) toggle();
    } else if ((event.key === 'ArrowLeft' || event.key === 'ArrowRight')
      && !target.closest('audio, pre, .scroll, nav')) {
      event.preventDefault();
      move(now() + (event.key === 'ArrowLeft' ? -1 : 1));
    }
  });
  // A focused button is pressed by the space bar when it is let go: the deck has seen it already.
  deck.addEventListener('keyup', (event) => {
    if (event.key === ' ' && event.target.closest('button')) event.preventDefault();
  });
  deck.hidden = false;
  show();
}
