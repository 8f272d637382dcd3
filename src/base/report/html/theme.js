'use strict';
// The theme: what the system says, until the button is pressed.
(() => {
  const root = document.documentElement;
  const button = document.querySelector('[data-theme-toggle]');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const isDark = () => (root.dataset.theme || (system.matches ? 'dark' : 'light')) === 'dark';
  const label = () => {
    button.textContent = isDark() ? 'Light colours' : 'Dark colours';
  };
  // Pages opened from a disk may be refused a memory; the button works all the same.
  const remembered = (value) => {
    try {
      if (value) localStorage.setItem('effigy-theme', value);
      return localStorage.getItem('effigy-theme');
    } catch {
      return null;
    }
  };
  const saved = remembered();
  if (saved === 'dark' || saved === 'light') root.dataset.theme = saved;
  button.hidden = false;
  button.addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    remembered(root.dataset.theme);
    label();
  });
  system.addEventListener('change', label);
  label();
})();
