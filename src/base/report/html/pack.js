// A heading pressed sorts the rows by its column, pressed again the other way.
for (const table of document.querySelectorAll('[data-sorted]')) {
  const headings = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const key = (row, column) => {
    const cell = row.cells[column];
    const text = cell.dataset.key ?? cell.textContent;
    const number = Number(text.replace(/%$/, ''));
    return text.trim() !== '' && Number.isFinite(number) ? number : text.toLowerCase();
  };
  const compare = (a, b) => {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === 'number' ? -1 : 1;
  };
  headings.forEach((heading, column) => {
    const button = heading.querySelector('button');
    if (!button) return;
    button.addEventListener('click', () => {
      const down = heading.getAttribute('aria-sort') === 'ascending';
      for (const other of headings) if (other.hasAttribute('aria-sort')) other.setAttribute('aria-sort', 'none');
      heading.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const rows = [...body.rows].map((row) => [key(row, column), row]);
      rows.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

// One player: another sound of the same row goes on where the one before was.
(() => {
  const heard = document.querySelector('[data-heard]');
  const words = document.querySelector('[data-hearing]');
  let row;
  document.addEventListener('click', (event) => {
    const button = event.target.closest('[data-sound]');
    if (!button) return;
    const same = button.closest('tr') === row;
    const place = same ? heard.currentTime : 0;
    if (row) row.classList.remove('playing');
    row = button.closest('tr');
    row.classList.add('playing');
    for (const other of document.querySelectorAll('[data-sound][aria-pressed]')) other.removeAttribute('aria-pressed');
    button.setAttribute('aria-pressed', 'true');
    words.textContent = button.getAttribute('aria-label');
    heard.src = button.dataset.sound;
    heard.addEventListener('loadedmetadata', () => { heard.currentTime = place; }, { once: true });
    heard.play().catch(() => { words.textContent = `${button.getAttribute('aria-label')}: the sound is not there`; });
  });
})();
