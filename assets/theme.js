/* Light and dark, the sidebar, and small courtesies that need no server. Loaded in the head, before anything is drawn. */
(function () {
  'use strict';

  var root = document.documentElement;
  var dark = window.matchMedia('(prefers-color-scheme: dark)');

  function stored(key) {
    try { return window.localStorage.getItem(key); } catch (_) { return null; } // storage may be forbidden
  }

  function store(key, value) {
    try { window.localStorage.setItem(key, value); } catch (_) { /* the choice then lasts for this page */ }
  }

  function show(theme) {
    root.dataset.bsTheme = theme;
    root.dataset.agThemeMode = theme;
  }

  function chosen() {
    var theme = stored('theme');
    return theme === 'light' || theme === 'dark' ? theme : dark.matches ? 'dark' : 'light';
  }

  function toggle() {
    var next = root.dataset.bsTheme === 'dark' ? 'light' : 'dark';
    store('theme', next);
    show(next);
  }

  function follow() {
    show(chosen());
    if (window.dash_clientside && document.getElementById('theme-button')) {
      window.dash_clientside.set_props('theme', { data: root.dataset.bsTheme });
    }
  }

  function fold(folded) {
    root.dataset.sidebar = folded ? 'folded' : 'open';
    store('sidebar', root.dataset.sidebar);
    var button = document.getElementById('sidebar-button');
    if (button) button.setAttribute('aria-expanded', String(!folded));
  }

  /* A quarter of the ribbon tells its times in the viewer's zone, once somebody points at it. */
  function name(quarter) {
    var clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
    var from = clock.format(Number(quarter.dataset.since));
    quarter.title = from + '–' + clock.format(Number(quarter.dataset.until)) + ' · ' + quarter.dataset.said;
  }

  show(chosen());
  root.dataset.sidebar = stored('sidebar') === 'folded' ? 'folded' : 'open';
  dark.addEventListener('change', follow);
  window.addEventListener('storage', function (event) { if (event.key === 'theme') follow(); });

  /* Capturing: the theme has changed before Dash asks `current` which one it is. */
  document.addEventListener('click', function (event) {
    if (!(event.target instanceof Element)) return;
    if (event.target.closest('#theme-button')) toggle();
    if (event.target.closest('#sidebar-button')) fold(root.dataset.sidebar !== 'folded');
  }, true);

  document.addEventListener('keydown', function (event) {
    if (event.key.toLowerCase() !== 'b' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    fold(root.dataset.sidebar !== 'folded');
  });

  document.addEventListener('pointerover', function (event) {
    if (event.target instanceof Element && event.target.matches('.quarter[data-since]')) name(event.target);
  });

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.theme = {
    current: function () { return root.dataset.bsTheme; },
    zone: function () {
      return { name: Intl.DateTimeFormat().resolvedOptions().timeZone, offset_ms: -60000 * new Date().getTimezoneOffset() };
    }
  };
})();
