// Parts of the page that several forms use

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
function svg(name, attributes, ...children) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}
const field = (label, control) => element('label', {}, label, control);
const percent = (part, signed) => `${signed && part >= 0 ? '+' : ''}${(100 * part).toFixed(1)} %`;
const short = value => String(Number(value.toPrecision(5)));

/** Returns a text of an example; bytes that are no text are left out. */
const textOf = value => (typeof value === 'string' ? value : '');

/**
 * Adds a form whose submission shows what `respond` returns, or its error.
 * `fill` puts an example into the controls. Returns the form, and what shows something in the answer's place.
 */
function form(section, model, controls, verb, respond, fill) {
  const button = element('button', { textContent: verb });
  const wait = element('span', { className: 'wait', hidden: true });
  wait.setAttribute('role', 'status');
  const buttons = element('div', { className: 'buttons' }, button, wait);
  const answer = element('div', { className: 'answer' });
  answer.setAttribute('aria-live', 'polite');
  const made = element('form', {}, ...controls, buttons);
  if (model.example && fill) {
    const example = element('button', {
      type: 'button',
      className: 'quiet',
      textContent: 'Example',
    });
    example.addEventListener('click', () => fill(model.example));
    button.after(example);
    fill(model.example);
  }
  made.addEventListener('submit', async event => {
    event.preventDefault();
    button.disabled = true;
    wait.hidden = false;
    wait.textContent = 'Waiting for the answer …';
    const began = Date.now();
    const clock = setInterval(() => {
      wait.textContent = `Waiting for the answer … ${Math.round((Date.now() - began) / 1000)} s`;
    }, 1000);
    try {
      const shown = [await respond(answer)].flat();
      answer.replaceChildren(...shown, source(model));
    } catch (error) {
      answer.replaceChildren(failure(error));
    } finally {
      clearInterval(clock);
      wait.hidden = true;
      button.disabled = false;
    }
  });
  section.append(made, answer);
  return { made, show: (...shown) => answer.replaceChildren(...shown) };
}
function failure(error) {
  const alert = element('p', { className: 'error', textContent: error.message });
  alert.setAttribute('role', 'alert');
  return alert;
}
/** Says which model an answer is from. */
function source(model) {
  const trained = model.about.trained_on ? `, trained on ${model.about.trained_on}` : '';
  return element('p', {
    className: 'about',
    textContent: `Answer of ${model.name}, version ${model.version}${trained}.`,
  });
}

/** Shows the likeliest class, and how likely the first few are. */
function ranked(label, probability, classes, probabilities) {
  const order = [...classes.keys()].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, 5);
  const row = at =>
    element(
      'tr',
      {},
      element('th', { scope: 'row', textContent: classes[at] }),
      element(
        'td',
        {},
        element('meter', { value: probabilities[at], textContent: percent(probabilities[at]) }),
      ),
      element('td', { textContent: percent(probabilities[at]) }),
    );
  return [
    element('p', { className: 'big', textContent: `${label} (${percent(probability)})` }),
    element(
      'table',
      {},
      element('caption', { className: 'unseen', textContent: 'The likeliest classes' }),
      element('tbody', {}, ...order.map(row)),
    ),
  ];
}

/** Returns a table, and a button that copies it as a spreadsheet takes it. */
function copyable(table) {
  const copy = element('button', {
    type: 'button',
    className: 'quiet',
    textContent: 'Copy the table',
  });
  copy.addEventListener('click', async () => {
    const lines = [...table.rows].map(row =>
      [...row.cells].map(cell => cell.textContent).join('\t'),
    );
    try {
      await navigator.clipboard.writeText(lines.join('\n'));
    } catch {
      // a page without TLS, or without the permission
      getSelection().selectAllChildren(table);
      document.execCommand('copy');
    }
    copy.textContent = 'Copied';
    setTimeout(() => {
      copy.textContent = 'Copy the table';
    }, 2000);
  });
  return [table, copy];
}
function tableOf(head, rows) {
  const cells = (row, name) => row.map(text => element(name, { textContent: text }));
  return element(
    'table',
    {},
    element('thead', {}, element('tr', {}, ...cells(head, 'th'))),
    element('tbody', {}, ...rows.map(row => element('tr', {}, ...cells(row, 'td')))),
  );
}

/** Shows words with their effects, by a sign and a colour, and the largest of them. */
function effects(words, values, write) {
  const largest = Math.max(1e-9, ...values.filter(value => value !== undefined).map(Math.abs));
  const sign = value => (Math.abs(value) < 0.02 * largest ? '' : value > 0 ? '+' : '-');
  const marked = words.map((word, at) => {
    if (values[at] === undefined) return word;
    const color = values[at] > 0 ? '--good' : '--bad',
      strength = Math.round((70 * Math.abs(values[at])) / largest);
    return element(
      'mark',
      {
        title: write(values[at]),
        style: `background: color-mix(in srgb, var(${color}) ${strength}%, transparent)`,
      },
      word,
      element('small', { textContent: sign(values[at]) }),
    );
  });
  const order = [...words.keys()]
    .filter(at => values[at] !== undefined)
    .sort((a, b) => Math.abs(values[b]) - Math.abs(values[a]));
  const first = order.slice(0, 5).map(at => `${words[at]} (${write(values[at])})`);
  return [
    element('p', {}, ...marked.flatMap((word, at) => (at ? [' ', word] : [word]))),
    element('p', { textContent: `Largest effects: ${first.join(', ')}` }),
  ];
}

/** Returns pieces of words as people read them: a dot is before a piece that goes on with a word. */
function readable(pieces) {
  if (!pieces.some(piece => piece.startsWith('▁'))) return pieces;
  return pieces.map((piece, at) =>
    piece === '▁'
      ? '(space)'
      : piece.startsWith('▁')
        ? piece.slice(1)
        : at && /^[\p{L}\p{N}]/u.test(piece)
          ? `·${piece}`
          : piece,
  );
}

/** Draws the past, the forecast and its interval over an axis with the given labels. */
function chart(past, point, quantiles, labels, title) {
  const width = 640,
    height = 220,
    edge = 52,
    foot = 28,
    count = past.length + point.length;
  const low = quantiles.map(q => q[0]),
    high = quantiles.map(q => q[q.length - 1]);
  const all = [...past, ...low, ...high, ...point],
    bottom = Math.min(...all),
    top = Math.max(...all);
  const x = i => edge + ((width - edge - 8) * i) / Math.max(1, count - 1);
  const y = value =>
    height - foot - 8 - ((height - foot - 16) * (value - bottom)) / (top - bottom || 1);
  const line = (values, from) =>
    values.map((value, i) => `${x(from + i).toFixed(1)},${y(value).toFixed(1)}`);
  const band = [...line(low, past.length), ...line(high, past.length).reverse()].join(' ');
  const text = (value, at, from, anchor) =>
    svg(
      'text',
      { x: at, y: from, 'font-size': 11, fill: 'currentColor', 'text-anchor': anchor },
      value,
    );
  const marks = [...new Set([0, 0.25, 0.5, 0.75, 1].map(part => Math.round(part * (count - 1))))];
  const anchor = i => (i === 0 ? 'start' : i === count - 1 ? 'end' : 'middle');
  const levels = top === bottom ? [top] : [bottom, (bottom + top) / 2, top];
  return svg(
    'svg',
    {
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': `${title} of ${point.length} steps, ending at ${point[point.length - 1].toPrecision(5)}`,
    },
    ...levels.flatMap(level => [
      svg('line', {
        x1: edge,
        x2: width,
        y1: y(level),
        y2: y(level),
        stroke: 'currentColor',
        'stroke-opacity': 0.15,
      }),
      text(short(level), edge - 4, y(level) + 4, 'end'),
    ]),
    ...marks.map(i => text(labels[i], x(i), height - 8, anchor(i))),
    svg('line', {
      x1: x(past.length - 0.5),
      x2: x(past.length - 0.5),
      y1: 4,
      y2: height - foot,
      stroke: 'currentColor',
      'stroke-opacity': 0.3,
      'stroke-dasharray': 4,
    }),
    svg('polygon', { points: band, fill: 'var(--accent)', 'fill-opacity': 0.25 }),
    svg('polyline', { points: line(past, 0).join(' '), fill: 'none', stroke: 'currentColor' }),
    svg('polyline', {
      points: line(point, past.length).join(' '),
      fill: 'none',
      stroke: 'var(--accent)',
      'stroke-width': 2,
    }),
  );
}

/** Draws a picture, darker where attention is low. */
function attended(picture, attention) {
  const size = 112,
    side = Math.round(Math.sqrt(attention.length)),
    highest = Math.max(...attention);
  const canvas = element('canvas', { width: size, height: size });
  const pen = canvas.getContext('2d');
  pen.drawImage(picture, 0, 0, size, size);
  attention.forEach((weight, cell) => {
    pen.fillStyle = `rgb(0 0 0 / ${0.75 * (1 - weight / highest)})`;
    const x = Math.round(((cell % side) * size) / side),
      y = Math.round((Math.floor(cell / side) * size) / side);
    pen.fillRect(x, y, Math.ceil(size / side), Math.ceil(size / side));
  });
  return canvas;
}
