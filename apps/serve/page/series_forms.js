// Forms for models of series: tables, gestures, sounds

function forecastForm(section, predict, model) {
  const timed = model.inputs.time;
  const [, steps, variables] = model.inputs.window.tensor_shape.dim.map(dim => Number(dim.size));
  const series = element('textarea', { name: 'series', required: true, rows: 8 });
  const hint =
    `The last ${steps} values or more, the newest at the end, ` +
    (variables > 1
      ? `${variables} numbers a line, with commas between`
      : 'one a line or with commas between');
  const when = element('input', {
    type: 'datetime-local',
    name: 'time',
    step: 1,
    required: Boolean(timed),
  });
  const apart = element('input', { type: 'number', name: 'apart', value: 3600, min: 1 });
  const times = element(
    'div',
    { className: 'row' },
    field(`Time of the last line (UTC${timed ? '' : ', for the axis'})`, when),
    field('Seconds between lines', apart),
  );
  form(
    section,
    model,
    [field(hint, series), times],
    'Forecast',
    async () => {
      const numbers = series.value
        .trim()
        .split(/[\s,;]+/)
        .map(Number);
      if (numbers.some(Number.isNaN))
        throw new Error('The series must be numbers, with commas or new lines between');
      const rows = Math.floor(numbers.length / variables);
      if (rows * variables !== numbers.length || rows < steps)
        throw new Error(
          `The model needs ${steps} lines or more of ${variables}; there are ${numbers.length} numbers`,
        );
      const window = Array.from({ length: steps }, (_, i) =>
        numbers.slice((rows - steps + i) * variables, (rows - steps + i + 1) * variables),
      );
      const asked = { window: [window] },
        last = Date.parse(when.value + 'Z') / 1000;
      const at = i => Math.round(last + (i + 1 - steps) * apart.value);
      if (timed) {
        if (Number.isNaN(last)) throw new Error('Give the time of the last line');
        asked.time = [
          Array.from({ length: Number(timed.tensor_shape.dim[1].size) }, (_, i) => at(i)),
        ];
      }
      const out = await predict(asked),
        point = out.point[0],
        quantiles = out.quantiles[0];
      const days = apart.value % 86400 === 0;
      const label = i =>
        Number.isNaN(last)
          ? i < steps
            ? String(i + 1 - steps)
            : `+${i + 1 - steps}`
          : new Date(1000 * at(i))
              .toISOString()
              .slice(0, days ? 10 : 16)
              .replace('T', ' ');
      const labels = Array.from({ length: steps + point.length }, (_, i) => label(i));
      const charts = Array.from({ length: variables }, (_, v) =>
        chart(
          window.map(row => row[v]),
          point.map(row => row[v]),
          quantiles.map(row => row[v]),
          labels,
          'A forecast',
        ),
      );
      const head = [
        Number.isNaN(last) ? 'step' : 'time (UTC)',
        ...(variables > 1 ? ['variable'] : []),
        'point',
        'lowest quantile',
        'highest quantile',
      ];
      const lines = point.flatMap((row, i) =>
        row.map((value, v) => [
          labels[steps + i],
          ...(variables > 1 ? [v + 1] : []),
          short(value),
          short(quantiles[i][v][0]),
          short(quantiles[i][v][quantiles[i][v].length - 1]),
        ]),
      );
      const [table, copy] = copyable(tableOf(head, lines));
      return [
        ...charts,
        element('details', {}, element('summary', { textContent: 'The numbers' }), table),
        copy,
      ];
    },
    example => {
      series.value = example.window[0].map(row => row.join(', ')).join('\n');
      if (!example.time) return;
      when.value = new Date(1000 * example.time[0][steps - 1]).toISOString().slice(0, 19);
      apart.value = example.time[0][1] - example.time[0][0];
    },
  );
}

function seriesForm(section, predict, model) {
  const channels = Number(model.inputs.features.tensor_shape.dim[2].size);
  const series = element('textarea', { name: 'series', required: true, rows: 6 });
  const hint =
    channels > 1
      ? `A series, a line for each step with ${channels} numbers, with commas between`
      : 'A series, a number a line';
  const write = rows => {
    series.value = rows.map(row => row.join(', ')).join('\n');
  };
  const answer = async rows => {
    const out = await predict({ features: [rows], length: [rows.length] });
    return ranked(out.label[0], out.probability[0], out.classes[0], out.probabilities[0]);
  };
  const controls = [field(hint, series)];
  let made,
    show,
    drawn = () => {};
  if (channels === 2) {
    const pad = drawingPad(model.example?.features[0], async (points, lifted) => {
      await follow(lifted, () => answer([...points]), show);
      write(points);
      made.requestSubmit();
    });
    drawn = () => {
      let rows = [];
      try {
        rows = rowsOf(series.value, channels);
      } catch {
        /* the answer will say it */
      }
      pad.draw(rows);
    };
    series.addEventListener('input', drawn);
    controls.unshift(element('p', { textContent: 'Draw a line in one go:' }), pad.canvas);
  }
  const types = channels > 2 ? '.csv,.tsv,.txt,image/*' : '.csv,.tsv,.txt'; // a row of an image is a step
  const file = element('input', { type: 'file', name: 'table', accept: types });
  const drop = element(
    'div',
    { className: 'drop' },
    field(
      `Or a table of the numbers${channels > 2 ? ', or an image to read row by row' : ''}, chosen or dropped here`,
      file,
    ),
  );
  controls.push(drop);
  ({ made, show } = form(
    section,
    model,
    controls,
    'Recognise',
    () => answer(rowsOf(series.value, channels)),
    example => {
      write(example.features[0]);
      drawn();
    },
  ));
  const read = async () => {
    try {
      const isImage = channels > 2 && file.files[0].type.startsWith('image/');
      write(
        isImage
          ? await rowsOfImage(file.files[0], channels)
          : rowsOf(await file.files[0].text(), channels),
      );
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
  addRecorder(
    section,
    model,
    'Write down',
    async bytes => {
      const out = await predict({ wav: [encoded(bytes)] });
      const sure = out.log_probability
        ? [
            element('p', {
              textContent: `Probability ${percent(Math.exp(out.log_probability[0]))}`,
            }),
          ]
        : [];
      return [...write(out.text[0]), ...sure];
    },
    write,
  );
}
