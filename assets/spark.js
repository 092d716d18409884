/* Draws the small lines on cards: `<div class="spark" data-points="at,value;at,;…">`, a missing value breaks the line.
   It redraws by itself whenever `data-points` changes. `observatory.spark(el)` draws, `observatory.spark.append(el, at, value)` adds. */
(function () {
  'use strict';

  var SVG = 'http://www.w3.org/2000/svg';
  var HOUR = 3600000;
  var WIDTH = 240, HEIGHT = 32, MARGIN = 3;

  function parse(text) {
    return (text || '').split(';').filter(Boolean).map(function (pair) {
      var parts = pair.split(',');
      return { at: Number(parts[0]), value: parts[1] === '' ? NaN : Number(parts[1]) };
    });
  }

  function element(name, attributes) {
    var made = document.createElementNS(SVG, name);
    Object.keys(attributes).forEach(function (key) { made.setAttribute(key, attributes[key]); });
    return made;
  }

  /* Pixels of a point. The height shown is at least a tenth of the largest value, so that noise does not look like weather. */
  function scale(points) {
    var values = points.map(function (p) { return p.value; }).filter(isFinite);
    var low = Math.min.apply(null, values), high = Math.max.apply(null, values);
    var room = Math.max(high - low, 0.1 * Math.max(Math.abs(high), Math.abs(low)), 1e-9);
    var base = (high + low) / 2 - room / 2;
    var first = points[0].at, length = Math.max(points[points.length - 1].at - first, 1);
    return function (p) {
      return {
        x: (p.at - first) / length * WIDTH,
        y: HEIGHT - MARGIN - (p.value - base) / room * (HEIGHT - 2 * MARGIN)
      };
    };
  }

  /* Lists of neighbouring points between breaks. */
  function runs(points) {
    var found = [[]];
    points.forEach(function (p) {
      if (isFinite(p.value)) found[found.length - 1].push(p);
      else if (found[found.length - 1].length) found.push([]);
    });
    return found.filter(function (run) { return run.length; });
  }

  function line(run, place) {
    return run.map(function (p, i) {
      var at = place(p);
      return (i ? 'L' : 'M') + at.x.toFixed(1) + ' ' + at.y.toFixed(1);
    }).join('') + (run.length === 1 ? 'h0' : ''); // a lone point is a dot
  }

  function draw(el) {
    if (el.drawn === el.dataset.points) return; // asked for every second, drawn only when it changed
    el.drawn = el.dataset.points;
    var points = parse(el.dataset.points);
    var parts = runs(points);
    el.replaceChildren();
    if (points.length < 2 || !parts.length) return;
    var place = scale(points);
    var svg = element('svg', { viewBox: '0 0 ' + WIDTH + ' ' + HEIGHT, preserveAspectRatio: 'none', focusable: 'false' });
    parts.forEach(function (run) {
      var path = line(run, place), from = place(run[0]).x, to = place(run[run.length - 1]).x;
      svg.append(element('path', { d: path + 'L' + to.toFixed(1) + ' ' + HEIGHT + 'L' + from.toFixed(1) + ' ' + HEIGHT + 'Z', 'class': 'spark-area' }));
      svg.append(element('path', { d: path, 'class': 'spark-line', 'vector-effect': 'non-scaling-stroke' }));
    });
    el.append(svg);
  }

  function append(el, at, value) {
    var kept = parse(el.dataset.points).filter(function (p) { return p.at >= at - HOUR && p.at < at; });
    kept.push({ at: at, value: value });
    el.dataset.points = kept.map(function (p) { return p.at + ',' + (isFinite(p.value) ? p.value : ''); }).join(';');
  }

  function drawIn(node) {
    if (!(node instanceof Element)) return;
    if (node.matches('.spark')) draw(node);
    node.querySelectorAll('.spark').forEach(draw);
  }

  new MutationObserver(function (changes) {
    changes.forEach(function (change) {
      if (change.type === 'attributes') { if (change.target.matches('.spark')) draw(change.target); return; }
      change.addedNodes.forEach(drawIn);
    });
  }).observe(document.documentElement, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-points'] });

  window.observatory = window.observatory || {};
  window.observatory.spark = draw;
  window.observatory.spark.append = append;
})();
