// Forms, one for each kind of answer

function probabilityForm(section, predict, model) {
  const text = element('textarea', { name: 'text', required: true });
  form(section, model, [field('A text', text)], 'Classify', async () => {
    const { probability: [whole], label } = await predict({ text: [text.value] });
    const meaning = model.meaning('probability');
    return [
      element('p', { className: 'big', textContent: label ? label[0] : `Probability ${percent(whole)}` }),
      element('p', { textContent: (label ? `Probability ${percent(whole)}` : '') + (meaning ? ` (${meaning})` : '') }),
      ...(await explained(text.value, whole, predict, model)),
    ];
  }, example => { text.value = textOf(example.text[0]); });
}
/** Returns the effect of each word: as the model explains it, or by leaving the word out. */
async function explained(text, whole, predict, model) {
  if (model.has('explain', ['text'], ['words', 'effects'])) {
    const told = await model.ask({ text: [text] }, 'explain');
    const words = told.words[0].filter(word => word);
    const write = value => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(2)}`;
    const meaning = model.meaning('effects', 'explain');
    return [...effects(words, told.effects[0].slice(0, words.length), write),
      ...(meaning ? [element('p', { className: 'about', textContent: `Effect: ${meaning}.` })] : [])];
  }
  const words = text.split(/\s+/).filter(word => word);
  const without = words.slice(0, 200).map((_, at) => words.filter((_, other) => other !== at).join(' '));
  const rest = without.length ? (await predict({ text: without })).probability : [];
  const shown = effects(words, words.map((_, at) => at < rest.length ? whole - rest[at] : undefined), value => percent(value, true));
  return [...shown, element('p', { className: 'about', textContent: 'Effect: the probability minus that of the text without the word.' })];
}

function translationForm(section, predict, model) {
  const text = element('textarea', { name: 'text', required: true });
  form(section, model, [field('A sentence', text)], 'Translate', async () => {
    const out = await predict({ text: [text.value] });
    const shown = [...out.target_pieces[0].keys()].filter(i => out.target_pieces[0][i]);
    const columns = [...out.source_pieces[0].keys()].filter(i => out.source_pieces[0][i]);
    const source = readable(columns.map(c => out.source_pieces[0][c])), target = readable(shown.map(r => out.target_pieces[0][r]));
    const cell = weight => element('td', { className: 'cell', title: weight,
      style: `background: color-mix(in srgb, var(--accent) ${Math.round(100 * weight)}%, transparent)` }, element('span', { className: 'unseen', textContent: weight }));
    const table = element('table', { className: 'attention' },
      element('caption', { textContent: 'Attention of each piece to the sentence' }),
      element('thead', {}, element('tr', {}, element('td'), ...source.map(piece => element('th', { scope: 'col', textContent: piece })))),
      element('tbody', {}, ...shown.map((r, i) => element('tr', {}, element('th', { scope: 'row', textContent: target[i] }),
        ...columns.map(c => cell(out.attention[0][r][c].toFixed(2)))))));
    return [element('p', { className: 'big', textContent: out.translation[0] || '(an empty translation)' }), ...copyable(table)];
  }, example => { text.value = textOf(example.text[0]); });
}

function captionForm(section, predict, model) {
  const file = element('input', { type: 'file', name: 'image', accept: 'image/jpeg,image/png,image/gif', required: true });
  const drop = element('div', { className: 'drop' }, field('An image, chosen or dropped here', file));
  const { made } = form(section, model, [drop], 'Describe', async () => {
    const out = await predict({ image: [encoded(new Uint8Array(await file.files[0].arrayBuffer()))] });
    const picture = await createImageBitmap(file.files[0]);
    const kept = [...out.pieces[0].keys()].filter(at => out.pieces[0][at]);
    const pieces = readable(kept.map(at => out.pieces[0][at]));
    return [
      element('p', { className: 'big', textContent: out.caption[0] || '(an empty caption)' }),
      ...kept.map((at, i) => element('figure', {}, attended(picture, out.attention[0][at]), element('figcaption', { textContent: pieces[i] }))),
    ];
  }, example => choose(file, Uint8Array.from(atob(example.image[0].b64), c => c.charCodeAt(0)), 'example'));
  acceptDrops(drop, file, () => made.requestSubmit());
}

function forecastForm(section, predict, model) {
  const timed = model.inputs.time;
  const [, steps, variables] = model.inputs.window.tensor_shape.dim.map(dim => Number(dim.size));
  const series = element('textarea', { name: 'series', required: true, rows: 8 });
  const hint = `The last ${steps} values or more, the newest at the end, ` +
    (variables > 1 ? `${variables} numbers a line, with commas between` : 'one a line or with commas between');
  const when = element('input', { type: 'datetime-local', name: 'time', step: 1, required: Boolean(timed) });
  const apart = element('input', { type: 'number', name: 'apart', value: 3600, min: 1 });
  const times = element('div', { className: 'row' },
    field(`Time of the last line (UTC${timed ? '' : ', for the axis'})`, when), field('Seconds between lines', apart));
  form(section, model, [field(hint, series), times], 'Forecast', async () => {
    const numbers = series.value.trim().split(/[\s,;]+/).map(Number);
    if (numbers.some(Number.isNaN)) throw new Error('The series must be numbers, with commas or new lines between');
    const rows = Math.floor(numbers.length / variables);
    if (rows * variables !== numbers.length || rows < steps) throw new Error(`The model needs ${steps} lines or more of ${variables}; there are ${numbers.length} numbers`);
    const window = Array.from({ length: steps }, (_, i) => numbers.slice((rows - steps + i) * variables, (rows - steps + i + 1) * variables));
    const asked = { window: [window] }, last = Date.parse(when.value + 'Z') / 1000;
    const at = i => Math.round(last + (i + 1 - steps) * apart.value);
    if (timed) {
      if (Number.isNaN(last)) throw new Error('Give the time of the last line');
      asked.time = [Array.from({ length: Number(timed.tensor_shape.dim[1].size) }, (_, i) => at(i))];
    }
    const out = await predict(asked), point = out.point[0], quantiles = out.quantiles[0];
    const days = apart.value % 86400 === 0;
    const label = i => Number.isNaN(last) ? (i < steps ? String(i + 1 - steps) : `+${i + 1 - steps}`)
      : new Date(1000 * at(i)).toISOString().slice(0, days ? 10 : 16).replace('T', ' ');
    const labels = Array.from({ length: steps + point.length }, (_, i) => label(i));
    const charts = Array.from({ length: variables }, (_, v) =>
      chart(window.map(row => row[v]), point.map(row => row[v]), quantiles.map(row => row[v]), labels, 'A forecast'));
    const head = [Number.isNaN(last) ? 'step' : 'time (UTC)', ...(variables > 1 ? ['variable'] : []), 'point', 'lowest quantile', 'highest quantile'];
    const lines = point.flatMap((row, i) => row.map((value, v) => [labels[steps + i], ...(variables > 1 ? [v + 1] : []),
      short(value), short(quantiles[i][v][0]), short(quantiles[i][v][quantiles[i][v].length - 1])]));
    const [table, copy] = copyable(tableOf(head, lines));
    return [...charts, element('details', {}, element('summary', { textContent: 'The numbers' }), table), copy];
  }, example => {
    series.value = example.window[0].map(row => row.join(', ')).join('\n');
    if (!example.time) return;
    when.value = new Date(1000 * example.time[0][steps - 1]).toISOString().slice(0, 19);
    apart.value = example.time[0][1] - example.time[0][0];
  });
}

function continuationForm(section, predict, model) {
  const prompt = element('textarea', { name: 'prompt', required: true });
  const length = element('input', { type: 'number', name: 'length', value: 200, min: 1, max: 2000, required: true });
  const temperature = element('input', { type: 'number', name: 'temperature', value: .7, min: .05, max: 5, step: .05, required: true });
  const controls = [field('Beginning of the text', prompt),
    element('div', { className: 'row' }, field('Characters', length), field('Temperature', temperature))];
  form(section, model, controls, 'Write', async answer => {
    let text = prompt.value;
    const shown = element('pre', { textContent: text });
    answer.replaceChildren(shown);
    for (let left = Number(length.value); left > 0; left -= 20) { // in parts, which can be read meanwhile
      const out = await predict({ prompt: [text.slice(-300)], length: Math.min(left, 20),
        temperature: Number(temperature.value), seed: Math.floor(Math.random() * 2 ** 31) });
      text += out.text[0];
      shown.textContent = text;
    }
    return shown;
  }, example => { prompt.value = textOf(example.prompt[0]); });
}

function seriesForm(section, predict, model) {
  const channels = Number(model.inputs.features.tensor_shape.dim[2].size);
  const series = element('textarea', { name: 'series', required: true, rows: 6 });
  const hint = channels > 1 ? `A series, a line for each step with ${channels} numbers, with commas between` : 'A series, a number a line';
  const write = rows => { series.value = rows.map(row => row.join(', ')).join('\n'); };
  const answer = async rows => {
    const out = await predict({ features: [rows], length: [rows.length] });
    return ranked(out.label[0], out.probability[0], out.classes[0], out.probabilities[0]);
  };
  const controls = [field(hint, series)];
  let made, show, drawn = () => {};
  if (channels === 2) {
    const pad = drawingPad(model.example?.features[0], async (points, lifted) => {
      await follow(lifted, () => answer([...points]), show);
      write(points);
      made.requestSubmit();
    });
    drawn = () => {
      let rows = [];
      try { rows = rowsOf(series.value, channels); } catch { /* the answer will say it */ }
      pad.draw(rows);
    };
    series.addEventListener('input', drawn);
    controls.unshift(element('p', { textContent: 'Draw a line in one go:' }), pad.canvas);
  }
  const types = channels > 2 ? '.csv,.tsv,.txt,image/*' : '.csv,.tsv,.txt'; // a row of an image is a step
  const file = element('input', { type: 'file', name: 'table', accept: types });
  const drop = element('div', { className: 'drop' }, field(`Or a table of the numbers${channels > 2 ? ', or an image to read row by row' : ''}, chosen or dropped here`, file));
  controls.push(drop);
  ({ made, show } = form(section, model, controls, 'Recognise', () => answer(rowsOf(series.value, channels)),
    example => { write(example.features[0]); drawn(); }));
  const read = async () => {
    try {
      const isImage = channels > 2 && file.files[0].type.startsWith('image/');
      write(isImage ? await rowsOfImage(file.files[0], channels) : rowsOf(await file.files[0].text(), channels));
      drawn();
      made.requestSubmit();
    } catch (error) {
      show(failure(error));
    }
  };
  file.addEventListener('change', read);
  acceptDrops(drop, file, read);
}

function soundForm(section, predict, model) {
  addRecorder(section, model, 'Recognise', async bytes => {
    const out = await predict({ wav: [encoded(bytes)] });
    return ranked(out.label[0], out.probability[0], out.classes[0], out.probabilities[0]);
  });
}

function speechForm(section, predict, model) {
  const write = text => [element('p', { className: 'big', textContent: text || '(no words)' })];
  addRecorder(section, model, 'Write down', async bytes => {
    const out = await predict({ wav: [encoded(bytes)] });
    const sure = out.log_probability ? [element('p', { textContent: `Probability ${percent(Math.exp(out.log_probability[0]))}` })] : [];
    return [...write(out.text[0]), ...sure];
  }, write);
}

/** The form for any other model. */
function jsonForm(section, predict, model) {
  const described = Object.entries(model.inputs).map(([name, tensor]) => `${name}: ${tensor.dtype.slice(3).toLowerCase()} [${tensor.tensor_shape.dim.map(dim => dim.size < 0 ? '?' : dim.size)}]`);
  const text = element('textarea', { name: 'inputs', required: true, placeholder: `{"${Object.keys(model.inputs)[0]}": ...}` });
  form(section, model, [field(`Inputs as JSON (${described.join(', ')})`, text)], 'Ask', async () => {
    let inputs;
    try {
      inputs = JSON.parse(text.value);
    } catch (error) {
      throw new Error(`The inputs must be JSON: ${error.message}`);
    }
    return element('pre', { textContent: write(await predict(inputs)) });
  }, example => { text.value = JSON.stringify(example); });
}

// A model gets the form whose tensors one of its signatures has, the default one if no other is named.
// A form reads no output that it does not list.
const FORMS = [
  { inputs: ['text'], outputs: ['probability'], optional: ['label'], form: probabilityForm },
  { inputs: ['text'], outputs: ['attention', 'source_pieces', 'target_pieces', 'translation'], optional: [], form: translationForm },
  { inputs: ['image'], outputs: ['attention', 'caption', 'pieces'], optional: [], form: captionForm },
  { inputs: ['window'], outputs: ['point', 'quantiles'], optional: ['time'], form: forecastForm },
  { inputs: ['prompt', 'length', 'temperature', 'seed'], outputs: ['text'], optional: [], form: continuationForm },
  { inputs: ['features', 'length'], outputs: ['classes', 'label', 'probabilities', 'probability'], optional: [], form: seriesForm },
  { signature: 'wav', inputs: ['wav'], outputs: ['classes', 'label', 'probabilities', 'probability'], optional: [], form: soundForm },
  { signature: 'wav', inputs: ['wav'], outputs: ['text'], optional: ['log_probability'], form: speechForm },
];
function formFor(signatures) {
  return FORMS.find(({ signature = DEFAULT, inputs, outputs, optional }) => {
    const found = signatures[signature];
    return found && inputs.every(name => name in found.inputs) && outputs.every(name => name in found.outputs) &&
      Object.keys(found.inputs).every(name => inputs.includes(name) || optional.includes(name));
  });
}
