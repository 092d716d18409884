/* Dialogs whose name stands in the fragment, filters that stand in the query, and secrets to copy. */
(function () {
  'use strict';

  var observatory = window.observatory = window.observatory || {};
  var SAID = 2000;   // ms that a button says "Copied"
  var EARLY = 3000;  // ms that a form may need from here to the server

  // To another address of this page, told to Dash as its own links tell it.
  function go(address) {
    window.history.pushState({}, '', address);
    window.dispatchEvent(new CustomEvent('_dashprivate_pushstate'));
  }

  function leave() { if (location.hash) { go(location.pathname + location.search); } }

  /* What was copied is said by the button itself, which a screen reader follows. Without a clipboard (plain http on
     another host) the text is marked, and the keyboard copies it. */
  function copy(button) {
    var box = document.getElementById(button.dataset.copy), word = button.textContent;
    function say(text) {
      button.textContent = text;
      setTimeout(function () { button.textContent = word; }, SAID);
    }
    function select() {
      window.getSelection().selectAllChildren(box);
      say('Press Ctrl or ⌘ + C');
    }
    if (!navigator.clipboard) { select(); return; }
    navigator.clipboard.writeText(box.textContent).then(function () { say('Copied'); }, select);
  }

  /* Capturing: a form whose ten minutes are over leads to the password before Dash hears of the click. */
  document.addEventListener('click', function (event) {
    var button = event.target instanceof Element && event.target.closest('button');
    if (!button) { return; }
    if (button.dataset.copy) { copy(button); }
    if (button.dataset.close) { leave(); }
    if (button.dataset.until && observatory.now() > Number(button.dataset.until) - EARLY) {
      event.preventDefault();
      event.stopPropagation();
      observatory.confirm();
    }
  }, true);

  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.forms = {
    closed: function (open) {
      if (!open) { leave(); }
      return window.dash_clientside.no_update;
    },
    filter: function (event, user, text, range) {
      var wanted = new URLSearchParams(), present = new URLSearchParams(location.search);
      var given = { event: event === 'all' ? '' : event, user: user, text: text, range: range === 'all' ? '' : range };
      Object.keys(given).forEach(function (name) { if (given[name]) { wanted.set(name, given[name]); } });
      if (Object.keys(given).some(function (name) { return (given[name] || '') !== (present.get(name) || ''); })) {
        go(location.pathname + (wanted.toString() ? '?' + wanted : ''));
      }
      return window.dash_clientside.no_update;
    }
  };
})();
