// The rooms, and the way between them.

import { enter, get, Listener } from './api.js';
import { silence } from './player.js';
import { el, say, tellError } from './ui.js';
import * as capture from './capture.js';
import * as queue from './queue.js';
import * as training from './training.js';
import * as models from './models.js';
import * as sounds from './sounds.js';

const ROOMS = { capture, queue, training, models, sounds };
const TITLES = { capture: 'Capture', queue: 'Queue', training: 'Training', models: 'Models', sounds: 'Sounds' };
const main = document.querySelector('[data-main]');

/** What every room sees: the folder as it is, and how to get elsewhere. */
const studio = {
  overview: undefined,
  /** Asks for the folder anew. */
  async look() {
    studio.overview = await get('/api/overview');
    document.querySelector('[data-folder]').textContent = studio.overview.path;
    return studio.overview;
  },
  /** The room anew. */
  show,
  go(room, what) {
    location.hash = what ? `${room}/${encodeURIComponent(what)}` : room;
  },
};

let leave;
let listener;

async function show() {
  const [name, what] = location.hash.slice(1).split('/');
  const room = ROOMS[name] ? name : 'capture';
  leave?.();
  leave = undefined;
  silence();
  for (const link of document.querySelectorAll('[data-rooms] a')) {
    const here = link.hash === `#${room}`;
    link.classList.toggle('here', here);
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${TITLES[room]} – effigy studio`;
  const place = el('div', { class: `room ${room}` });
  main.replaceChildren(place);
  main.setAttribute('aria-busy', 'true');
  try {
    await studio.look();
    const left = await ROOMS[room].show(place, studio, what && decodeURIComponent(what));
    // Another room may have been entered meanwhile.
    if (place.isConnected) leave = left?.leave;
    else left?.leave?.();
    place.changed = left?.changed;
  } catch (error) {
    locked(error) || place.append(el('p', { class: 'problem' }, error.message));
  }
  main.setAttribute('aria-busy', 'false');
}

/** Without the token there is nothing to see; says how to get in. */
function locked(error) {
  if (error.status !== 401 && error.status !== 0) return false;
  main.replaceChildren(el('section', {}, el('h1', {}, error.status ? 'This page needs its key' : 'The studio has gone'),
    el('p', { class: 'lead' }, error.message),
    el('p', {}, 'The program prints an address when it starts; open that one. A training goes on meanwhile, and nothing is lost.')));
  main.setAttribute('aria-busy', 'false');
  return true;
}

let [looking, again] = [false, false];

/** Something in the folder has changed; while one look is under way, one more is enough. */
async function changed() {
  again = true;
  if (looking) return;
  looking = true;
  try {
    while (again) {
      again = false;
      await studio.look();
      await main.firstElementChild?.changed?.();
    }
  } catch (error) {
    locked(error) || tellError(error);
  } finally {
    looking = false;
  }
}

async function start() {
  document.querySelector('[data-skip]').addEventListener('click', (event) => {
    event.preventDefault();
    main.focus();
  });
  try {
    await enter();
  } catch (error) {
    locked(error) || say(error.message, 'error');
    return;
  }
  window.addEventListener('hashchange', show);
  await show();
  listener = new Listener({ onChange: changed, onLost: changed });
  window.addEventListener('pagehide', () => listener.close());
}

start();
