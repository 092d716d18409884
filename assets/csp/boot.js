/* The first script of the document. It carries the nonce, depends on nothing and blocks the first paint, for three ends:
   the theme is right from the first pixel, style elements that libraries create carry the nonce, and the only way from a
   text to a running script is the Trusted Types policy below. */
(function () {
  'use strict';
  var self = document.currentScript, nonce = self.nonce, plotly = self.dataset.plotly;
  var chunks = JSON.parse(self.dataset.chunks || '{}');   // bare address → the one with a fingerprint

  // Theme: what the viewer chose, else what the system prefers. A Dash store keeps its text as JSON, hence the quotes.
  var chosen = '';
  try { chosen = (localStorage.getItem('theme') || '').replace(/"/g, ''); } catch (refused) { /* storage is off */ }
  var dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches);
  document.documentElement.dataset.bsTheme = dark ? 'dark' : 'light';
  document.documentElement.dataset.agThemeMode = dark ? 'dark' : 'light';

  // Styles: DCC, plotly and ag-grid insert <style> elements by themselves, and plotly sets style attributes as text.
  var createElement = Document.prototype.createElement;
  Document.prototype.createElement = function () {
    var element = createElement.apply(this, arguments);
    if (element.localName === 'style') element.nonce = nonce;
    return element;
  };
  var setAttribute = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) {
    if (name === 'style' && this.style) { this.style.cssText = value; return undefined; }
    return setAttribute.apply(this, arguments);
  };

  // Charts: dcc.Graph loads plotly.js from where this global says; Dash would set it to an address without a fingerprint.
  if (plotly) Object.defineProperty(window, '_dashPlotlyJSURL', { get: function () { return plotly; }, set: function () {} });

  if (window.trustedTypes && trustedTypes.createPolicy) {
    trustedTypes.createPolicy('default', {
      createScriptURL: function (text) {
        var address = new URL(text, location.href);
        var ours = address.origin === location.origin && /^\/(_dash-component-suites|assets)\//.test(address.pathname);
        return ours ? chunks[address.pathname] || text : null;
      },
      createHTML: function (text) { return /[<&]/.test(text) ? null : text; },
      createScript: function () { return null; }
    });
  }
})();
