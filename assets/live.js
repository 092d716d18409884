/* Paints numbers and ages, follows the stream, and asks the page's callbacks again when something changed.
 *
 * The server sends facts (data-value, data-measured, data-interval …); what they look like is decided here, once a
 * second and whenever something arrives, so that an age goes on counting when nothing does.
 */
(function () {
  'use strict';

  var LIVE = 1.5, LATE = 3;              // the limits of observatory/freshness.py
  var SILENCE = 10000;                   // ms without a sign of life until the page says so
  var BEAT_HEARD = 60000, BEAT_ALONE = 2000;
  var RECENT = 60000;                    // ms of points kept: a chart drawn from an older answer gets them again
  var SERIES_LIMIT = 500;                // more the server does not listen to
  var ASK_APART = 1000;                  // ms between two rounds of questions that the stream causes
  var HIDDEN = 30000;                    // a tab hidden this long gives its connection back
  var STATES = ['live', 'late', 'stale', 'gone'];
  var CAUSES = {
    unreachable: 'unreachable', timeout: 'no answer in time', http_error: 'answers with an error',
    rejected: 'refuses us', throttled: 'throttles us', malformed: 'unreadable answer',
    observer_off: 'not observed', maintenance: 'maintenance', paused: 'paused'
  };
  var NARROW = '\u202f', DASH = '–';

  var observatory = window.observatory = window.observatory || {};

  /* ── the server's clock ─────────────────────────────────────────────────────────────────────────────────────── */

  var meta = document.querySelector('meta[name="server-now"]');
  var offset = (meta ? Number(meta.content) : Date.now()) - performance.now();

  function now() { return performance.now() + offset; }
  function setNow(server) { offset = server - performance.now(); }

  /* ── words and numbers ──────────────────────────────────────────────────────────────────────────────────────── */

  function digits(value, most) {
    return value.toLocaleString('en', { maximumFractionDigits: most }).replace(/,/g, NARROW);
  }

  function scaled(value, steps, names) {
    var i = 0;
    while (i < steps.length && Math.abs(value) >= steps[i]) { value /= steps[i]; i += 1; }
    return [digits(value, Math.abs(value) < 10 ? 2 : Math.abs(value) < 100 ? 1 : 0), names[i]];
  }

  function duration(seconds) {
    var s = Math.max(0, seconds);
    if (s < 60) { return Math.floor(s) + ' s'; }
    if (s < 3600) { return Math.floor(s / 60) + ' min'; }
    if (s < 86400) { return Math.floor(s / 3600) + ' h ' + Math.floor(s % 3600 / 60) + ' min'; }
    return Math.floor(s / 86400) + ' d ' + Math.floor(s % 86400 / 3600) + ' h';
  }

  function short(seconds) {
    var s = Math.max(0, seconds);
    if (s < 60) { return Math.floor(s) + ' s'; }
    if (s < 3600) { return Math.floor(s / 60) + ' min'; }
    return s < 86400 ? Math.floor(s / 3600) + ' h' : Math.floor(s / 86400) + ' d';
  }

  /* value and unit of a reading, as they are read aloud */
  function written(value, unit) {
    switch (unit) {
      case 'ratio': return [digits(value * 100, 1), '%'];
      case 'seconds':
        if (Math.abs(value) < 1) { return [digits(value * 1000, value < 0.01 ? 1 : 0), 'ms']; }
        if (Math.abs(value) < 60) { return [digits(value, 1), 's']; }
        return [duration(value), ''];
      case 'milliseconds': return written(value / 1000, 'seconds');
      case 'bytes': return scaled(value, [1000, 1000, 1000, 1000], ['B', 'kB', 'MB', 'GB', 'TB']);
      case 'per_minute': return [digits(value, 1), 'a minute'];
      case 'per_hour': return [digits(value, 1), 'an hour'];
      case 'count': return [digits(value, 0), ''];
      default: return [Math.abs(value) >= 1e6 ? scaled(value, [1000, 1000, 1000, 1000], ['', 'k', 'M', 'G', 'T']).join(' ')
        : digits(value, Math.abs(value) < 10 ? 3 : 1), ''];
    }
  }

  function stateOf(age, interval) {
    if (age < -interval) { return 'stale'; }   // from the future: a clock was set back, and how old it is cannot be told
    return age <= LIVE * interval ? 'live' : age <= LATE * interval ? 'late' : 'stale';
  }

  var clockFormat = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
  var stampFormat = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
  var dayFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'long' });

  /* ── painting ───────────────────────────────────────────────────────────────────────────────────────────────── */

  var recent = new Map();   // series id → the points of the last minute, oldest first
  var newest = new Map();   // series id → [at, value]: what the stream said last, wherever it is shown

  function write(element, text) {
    if (element && element.textContent !== text) { element.textContent = text; }
  }

  function mark(element, name, value) {
    if (element.getAttribute(name) !== value) { element.setAttribute(name, value); }
  }

  function paintReading(el) {
    var d = el.dataset, series = newest.get(d.series), value = d.value, measured = Number(d.measured);
    if (series && series[0] > (measured || 0)) { measured = series[0]; value = String(series[1]); }
    if (value === undefined || value === 'null') { return; }
    var age = (now() - measured) / 1000, interval = Number(d.interval);
    var state = d.gone ? 'gone' : stateOf(age, interval), text = written(Number(value), d.unit);
    var shown = el.querySelector('.reading-value');
    if (shown && shown.textContent && shown.textContent !== text[0]) { tint(el); }
    write(shown, text[0]);
    write(el.querySelector('.reading-unit'), text[1]);
    write(el.querySelector('.reading-state'), state === 'live' ? '' : state);
    write(el.querySelector('.reading-age'), short(age) + ' ago' + (state !== 'live' && CAUSES[d.cause] ? ' (' + CAUSES[d.cause] + ')' : ''));
    mark(el, 'data-state', state);
    mark(el, 'data-painted', String(measured));
    var card = el.closest('.card');
    if (card && el.closest('.card-value')) { mark(card, 'data-state', state); }
  }

  function tint(el) {
    el.classList.remove('changed');
    void el.offsetWidth;             // restart the animation
    el.classList.add('changed');
  }

  // A service's mark is as old as its last answer, whose duration stands beside it.
  function seriesBeside(el) {
    var row = el.closest('.strip-cell, tr'), reading = row && row.querySelector('.reading[data-series]');
    return reading ? reading.dataset.series : undefined;
  }

  function paintMark(el) {
    var d = el.dataset;
    if (STATES.indexOf(d.state) < 0 || d.state === 'gone') { return; }
    var series = newest.get(d.series || seriesBeside(el)), measured = Math.max(Number(d.measured), series ? series[0] : 0);
    var state = stateOf((now() - measured) / 1000, Number(d.interval));
    if (state !== d.state) {
      mark(el, 'data-state', state);
      el.querySelectorAll('.shape').forEach(function (shape) { mark(shape, 'data-state', state); });
      write(el.querySelector('.state-word'), state);
    }
  }

  function paintTime(el) {
    var at = Number(el.dataset.at), series = newest.get(el.dataset.series);
    if (!at) { return; }
    if (series && series[0] > at) { at = series[0]; }   // the age of something that the stream goes on telling of
    if (el.classList.contains('clock')) { write(el, clockFormat.format(at)); }
    else if (el.classList.contains('stamp')) { write(el, stampFormat.format(at)); }
    else if (el.classList.contains('until')) { write(el, at > now() ? 'in ' + short((at - now()) / 1000) : 'over'); }
    else { write(el, short((now() - at) / 1000) + (el.classList.contains('ago') ? ' ago' : '')); }
    if (!el.title) { el.title = dayFormat.format(at); }
  }

  function paint() {
    document.querySelectorAll('.reading[data-value]').forEach(paintReading);
    document.querySelectorAll('.state-mark[data-measured]').forEach(paintMark);
    document.querySelectorAll('time[data-at]').forEach(paintTime);
    if (observatory.spark) { document.querySelectorAll('.spark[data-points]').forEach(observatory.spark); }
    paintConnection();
  }

  /* ── being heard ────────────────────────────────────────────────────────────────────────────────────────────── */

  var streamHeard = 0, answerHeard = performance.now(), beat = null, storeDown = 0, limitedUntil = 0;

  function since(mark_) { return performance.now() - mark_; }
  function streaming() { return streamHeard > 0 && since(streamHeard) < SILENCE; }
  function limited() { return performance.now() < limitedUntil; }   // this session asked too often

  function paintConnection() {
    var word = document.getElementById('shell-connection'), banner = document.getElementById('shell-stale');
    var heard = Math.max(streamHeard, answerHeard), silent = since(heard) >= SILENCE || storeDown > 0;
    if (word) {
      mark(word, 'data-state', silent ? 'down' : streaming() && !limited() ? 'live' : 'late');
      write(word, silent ? 'not current' : limited() ? 'slowed down' : streaming() ? 'live' : 'polling');
    }
    if (banner) {
      if (banner.hidden === silent) { banner.hidden = !silent; }
      if (silent) {
        var at = storeDown || now() - since(heard);
        write(banner, 'Not current: ' + (storeDown ? 'the database has not answered' : 'no answer from the server') +
          ' since ' + clockFormat.format(at) + '. Everything below is from then. It will go on by itself.');
      }
    }
    document.documentElement.dataset.current = silent ? 'no' : 'yes';
    setBeat(streaming() ? BEAT_HEARD : BEAT_ALONE);
  }

  function setProps(id, props) {
    // A component that is not on this page makes set_props throw.
    if (window.dash_clientside && window.dash_clientside.set_props && document.getElementById(id)) {
      window.dash_clientside.set_props(id, props);
      return true;
    }
    return false;
  }

  function setBeat(milliseconds) {
    if (beat !== milliseconds && window.dash_clientside && window.dash_clientside.set_props && document.getElementById('shell')) {
      try { window.dash_clientside.set_props('beat', { interval: milliseconds }); beat = milliseconds; } catch (error) { /* not mounted yet */ }
    }
  }

  var asked = -ASK_APART, asking = null;

  // At once, but no more than once a second: what comes in between is asked for together at its end.
  function askAgain(why) {
    if (asking || leaving) { return; }
    var wait = Math.max(0, ASK_APART - since(asked), limitedUntil - performance.now());
    asking = setTimeout(function () { asking = null; asked = performance.now(); ask(why); }, wait);
  }

  function ask(why) {
    try { window.dash_clientside.set_props('live', { data: { why: why, at: Math.round(now()) } }); } catch (error) { /* not mounted yet */ }
  }

  // Every answer to a callback is a sign of life; a server that is away gives none.
  var fetched = window.fetch;
  window.fetch = function () {
    return fetched.apply(this, arguments).then(function (response) {
      if (response.ok && /_dash-update-component/.test(response.url)) {
        answerHeard = performance.now();
        if (response.headers.get('X-Now')) { setNow(Number(response.headers.get('X-Now'))); }
      }
      if (response.status === 401) {
        signInAgain();
        return new Promise(function () {});   // we are leaving: nobody here has a use for this answer
      }
      if (response.status === 429 && /_dash-update-component/.test(response.url)) {
        answerHeard = performance.now();
        limitedUntil = performance.now() + 1000 * (Number(response.headers.get('Retry-After')) || 60);
        askAgain('limit');
        return new Response(null, { status: 204 });   // for Dash: nothing new
      }
      return response.status === 403 ? confirmFirst(response) : response;
    });
  };

  // The ten minutes after a password was given were over before the page noticed: give it again, and come back.
  function confirmFirst(response) {
    return response.clone().json().then(function (problem) {
      if (problem.code !== 'confirmation_required') { return response; }
      observatory.confirm();
      return new Promise(function () {});
    }, function () { return response; });
  }

  observatory.confirm = function () {
    location.assign('/confirm?next=' + encodeURIComponent(location.pathname + location.search + location.hash));
  };

  function signInAgain() {
    if (leaving) { return; }   // who signs out is on the way to the form already
    location.assign('/login?next=' + encodeURIComponent(location.pathname + location.search));
  }

  /* ── the stream ─────────────────────────────────────────────────────────────────────────────────────────────── */

  var leaving = false;   // who signs out asks nothing more: the session may end before the page does
  document.addEventListener('submit', function (event) {
    if (/\/logout$/.test(event.target.action)) { leaving = true; close(); }
  });
  window.addEventListener('pageshow', function (event) { if (event.persisted) { leaving = false; open(); } });

  var source = null, subscribed = null, epoch = null, retry = null, failures = 0, lost = false, replaced = [];

  function wantedSeries() {
    var ids = new Set();
    document.querySelectorAll('[data-series]').forEach(function (el) {
      el.dataset.series.split(' ').forEach(function (id) { if (id) { ids.add(id); } });
    });
    return Array.from(ids).sort(function (a, b) { return a - b; }).slice(0, SERIES_LIMIT).join(',');
  }

  function keepOnly(ids) {
    [newest, recent].forEach(function (known) {
      Array.from(known.keys()).forEach(function (id) { if (ids.indexOf(id) < 0) { known.delete(id); } });
    });
  }

  // What the stream is asked for: points of the series on the page, and word of targets it computes something from.
  function wanted() {
    var query = '?series=' + wantedSeries();
    document.querySelectorAll('[data-targets]').forEach(function (el) {
      el.dataset.targets.split(' ').forEach(function (name) { query += '&target=' + encodeURIComponent(name); });
    });
    return query;
  }

  // A stream is replaced when the page shows other series; the old one goes when the new one speaks, so that nothing
  // falls between the two.
  function open() {
    if (leaving) { return; }
    subscribed = wanted();
    var mine = new EventSource('/api/stream' + subscribed);
    clearTimeout(retry);
    keepOnly(wantedSeries().split(','));
    if (source) { replaced.push(source); }
    source = mine;
    function lose(milliseconds) {
      if (source === mine) { close(); again(milliseconds); } else { mine.close(); }
    }
    mine.onmessage = function (event) {
      if (source === mine) { forget(); failures = 0; }
      receive(JSON.parse(event.data));
    };
    mine.addEventListener('closing', function () { lose(500); });
    mine.addEventListener('ended', function () { close(); signInAgain(); });
    mine.onerror = function () { lose(Math.min(1000 * Math.pow(2, failures), 15000)); failures += 1; };
  }

  function forget() { replaced.splice(0).forEach(function (old) { old.close(); }); }

  function close() {
    forget();
    if (source) { source.close(); }
    source = null;
    lost = true;
    clearTimeout(retry);
  }

  function again(milliseconds) {
    clearTimeout(retry);
    retry = setTimeout(open, milliseconds * (0.8 + 0.4 * Math.random()));   // many browsers do not come back as one
  }

  function receive(message) {
    var missed = message.hello !== undefined && (lost || (epoch !== null && epoch !== message.hello));
    streamHeard = performance.now();
    setNow(message.now);
    storeDown = message.storeDown || (message.topics ? 0 : storeDown);
    if (message.hello !== undefined) { epoch = message.hello; lost = false; }
    if (message.points) { take(message.points, message.hello === undefined); }
    var page = document.querySelector('.page[data-topics]');
    var topics = page ? page.dataset.topics.split(' ') : [];
    if (missed || (message.topics || []).some(function (topic) { return topics.indexOf(topic) >= 0; })) { askAgain('stream'); }
    paint();
  }

  function take(points, grows) {
    Object.keys(points).forEach(function (id) {
      var last = points[id][points[id].length - 1], known = newest.get(id);
      if (!known || last[0] > known[0]) { newest.set(id, last); }
      var kept = (recent.get(id) || []).concat(points[id]).filter(function (point) { return point[0] > last[0] - RECENT; });
      recent.set(id, kept);
    });
    if (grows) { grow(points); }
  }

  /* ── charts that only grow ──────────────────────────────────────────────────────────────────────────────────── */

  var waiting = new Map(), frame = 0;   // graph id → { trace index → points of the last minute }

  function grow(points) {
    document.querySelectorAll('.chart[data-graph]').forEach(function (chart) {
      chart.dataset.series.split(' ').forEach(function (id, index) {
        if (!points[id] || !recent.get(id)) { return; }
        var traces = waiting.get(chart.dataset.graph) || new Map();
        traces.set(index, recent.get(id));   // with those that a chart drawn from an older answer lacks
        waiting.set(chart.dataset.graph, traces);
      });
    });
    if (waiting.size && !frame) { frame = requestAnimationFrame(flush); }
  }

  function local(at) { return at - new Date(at).getTimezoneOffset() * 60000; }   // plotly knows no zones

  function plotOf(graph) { return document.querySelector('#' + CSS.escape(graph) + ' .js-plotly-plot'); }

  // Figures arrive as base64 arrays, which plotly decodes for drawing but cannot extend: give it the decoded ones,
  // and new points in arrays of the same type.
  function growing(plot, index) {
    var trace = plot && plot.data && plot.data[index], drawn = plot && plot._fullData && plot._fullData[index];
    if (!trace || !drawn || !drawn.x || !drawn.x.length) { return null; }
    if (trace.x.bdata !== undefined) { trace.x = drawn.x; trace.y = drawn.y; }
    return trace;
  }

  // The window moves on with its newest point, unless it ends before the line does: then somebody looks closer at
  // something, and keeps what they look at.
  function follow(plot, last, at) {
    var axis = plot._fullLayout && plot._fullLayout.xaxis;
    if (!axis || !plot.layout.xaxis) { return; }
    var range = axis.range.map(function (edge) { return axis.r2l(edge); });   // plotly keeps dates as texts
    if (!(range[1] >= last && range[1] < at)) { return; }
    plot.layout.xaxis.range = [range[0] + at - range[1], at];
  }

  function like(array, values) { return Array.isArray(array) ? values : array.constructor.from(values); }

  // A line only grows to the right: what belongs further left (a past that was read late) comes with the next drawing.
  function after(points, last) {
    return points.map(function (point) { return [local(point[0]), point[1]]; }).filter(function (point) {
      var newer = !(point[0] <= last);
      if (newer) { last = point[0]; }
      return newer;
    });
  }

  // Several extendData in one tick would apply only one: everything for a graph goes out together.
  function flush() {
    frame = 0;
    waiting.forEach(function (traces, graph) {
      var x = [], y = [], indices = [], plot = plotOf(graph);
      traces.forEach(function (points, index) {
        var trace = growing(plot, index), last = trace ? trace.x[trace.x.length - 1] : 0;
        var fresh = trace ? after(points, last) : [];
        if (!fresh.length) { return; }
        follow(plot, last, fresh[fresh.length - 1][0]);
        indices.push(index);
        x.push(like(trace.x, fresh.map(function (point) { return point[0]; })));
        y.push(like(trace.y, fresh.map(function (point) { return point[1]; })));
      });
      if (indices.length) { setProps(graph, { extendData: [{ x: x, y: y }, indices] }); }
    });
    waiting.clear();
  }

  /* ── beginning and pausing ──────────────────────────────────────────────────────────────────────────────────── */

  var hiddenTimer = null, settle = null;

  document.addEventListener('visibilitychange', function () {
    clearTimeout(hiddenTimer);
    if (document.hidden) { hiddenTimer = setTimeout(close, HIDDEN); }
    else if (!source) { open(); askAgain('shown'); }
  });

  new MutationObserver(function (changes) {
    var news = changes.some(function (change) {   // what we painted ourselves is none
      return change.attributeName || (change.addedNodes.length && !change.target.closest('.reading, .state-mark, time, #shell-connection'));
    });
    if (!news) { return; }
    clearTimeout(settle);
    settle = setTimeout(function () {
      paint();
      if (document.querySelector('.page') && wanted() !== subscribed && !document.hidden) { open(); }
    }, 60);
  }).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ['data-series', 'data-value', 'data-measured', 'data-at', 'data-points']
  });

  // The base beat: what asks again when nothing hastens it.
  window.dash_clientside = window.dash_clientside || {};
  window.dash_clientside.live = { beat: function () {
    return limited() ? window.dash_clientside.no_update : { why: 'beat', at: Math.round(now()) };
  } };

  setInterval(paint, 1000);
  observatory.now = now;
  observatory.local = local;
})();
