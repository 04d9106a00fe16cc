// Forms for models of texts, and of images that get one

function probabilityForm(section, predict, model) {
  const text = element('textarea', { name: 'text', required: true });
  form(
    section,
    model,
    [field('A text', text)],
    'Classify',
    async () => {
      const {
        probability: [whole],
        label,
      } = await predict({ text: [text.value] });
      const meaning = model.meaning('probability');
      return [
        element('p', {
          className: 'big',
          textContent: label ? label[0] : `Probability ${percent(whole)}`,
        }),
        element('p', {
          textContent:
            (label ? `Probability ${percent(whole)}` : '') + (meaning ? ` (${meaning})` : ''),
        }),
        ...(await explained(text.value, whole, predict, model)),
      ];
    },
    example => {
      text.value = textOf(example.text[0]);
    },
  );
}

/** Returns the effect of each word: as the model explains it, or by leaving the word out. */
async function explained(text, whole, predict, model) {
  if (model.has('explain', ['text'], ['words', 'effects'])) {
    const told = await model.ask({ text: [text] }, 'explain');
    const words = told.words[0].filter(word => word);
    const write = value => `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(2)}`;
    const meaning = model.meaning('effects', 'explain');
    return [
      ...effects(words, told.effects[0].slice(0, words.length), write),
      ...(meaning
        ? [element('p', { className: 'about', textContent: `Effect: ${meaning}.` })]
        : []),
    ];
  }
  const words = text.split(/\s+/).filter(word => word);
  const without = words
    .slice(0, 200)
    .map((_, at) => words.filter((_, other) => other !== at).join(' '));
  const rest = without.length ? (await predict({ text: without })).probability : [];
  const shown = effects(
    words,
    words.map((_, at) => (at < rest.length ? whole - rest[at] : undefined)),
    value => percent(value, true),
  );
  return [
    ...shown,
    element('p', {
      className: 'about',
      textContent: 'Effect: the probability minus that of the text without the word.',
    }),
  ];
}

function translationForm(section, predict, model) {
  const text = element('textarea', { name: 'text', required: true });
  form(
    section,
    model,
    [field('A sentence', text)],
    'Translate',
    async () => {
      const out = await predict({ text: [text.value] });
      const shown = [...out.target_pieces[0].keys()].filter(i => out.target_pieces[0][i]);
      const columns = [...out.source_pieces[0].keys()].filter(i => out.source_pieces[0][i]);
      const source = readable(columns.map(c => out.source_pieces[0][c])),
        target = readable(shown.map(r => out.target_pieces[0][r]));
      const cell = weight =>
        element(
          'td',
          {
            className: 'cell',
            title: weight,
            style: `background: color-mix(in srgb, var(--accent) ${Math.round(100 * weight)}%, transparent)`,
          },
          element('span', { className: 'unseen', textContent: weight }),
        );
      const table = element(
        'table',
        { className: 'attention' },
        element('caption', { textContent: 'Attention of each piece to the sentence' }),
        element(
          'thead',
          {},
          element(
            'tr',
            {},
            element('td'),
            ...source.map(piece => element('th', { scope: 'col', textContent: piece })),
          ),
        ),
        element(
          'tbody',
          {},
          ...shown.map((r, i) =>
            element(
              'tr',
              {},
              element('th', { scope: 'row', textContent: target[i] }),
              ...columns.map(c => cell(out.attention[0][r][c].toFixed(2))),
            ),
          ),
        ),
      );
      return [
        element('p', {
          className: 'big',
          textContent: out.translation[0] || '(an empty translation)',
        }),
        ...copyable(table),
      ];
    },
    example => {
      text.value = textOf(example.text[0]);
    },
  );
}

function captionForm(section, predict, model) {
  const file = element('input', {
    type: 'file',
    name: 'image',
    accept: 'image/jpeg,image/png,image/gif',
    required: true,
  });
  const drop = element(
    'div',
    { className: 'drop' },
    field('An image, chosen or dropped here', file),
  );
  const { made } = form(
    section,
    model,
    [drop],
    'Describe',
    async () => {
      const out = await predict({
        image: [encoded(new Uint8Array(await file.files[0].arrayBuffer()))],
      });
      const picture = await createImageBitmap(file.files[0]);
      const kept = [...out.pieces[0].keys()].filter(at => out.pieces[0][at]);
      const pieces = readable(kept.map(at => out.pieces[0][at]));
      return [
        element('p', { className: 'big', textContent: out.caption[0] || '(an empty caption)' }),
        ...kept.map((at, i) =>
          element(
            'figure',
            {},
            attended(picture, out.attention[0][at]),
            element('figcaption', { textContent: pieces[i] }),
          ),
        ),
      ];
    },
    example =>
      choose(
        file,
        Uint8Array.from(atob(example.image[0].b64), c => c.charCodeAt(0)),
        'example',
      ),
  );
  acceptDrops(drop, file, () => made.requestSubmit());
}

function continuationForm(section, predict, model) {
  const prompt = element('textarea', { name: 'prompt', required: true });
  const length = element('input', {
    type: 'number',
    name: 'length',
    value: 200,
    min: 1,
    max: 2000,
    required: true,
  });
  const temperature = element('input', {
    type: 'number',
    name: 'temperature',
    value: 0.7,
    min: 0.05,
    max: 5,
    step: 0.05,
    required: true,
  });
  const controls = [
    field('Beginning of the text', prompt),
    element(
      'div',
      { className: 'row' },
      field('Characters', length),
      field('Temperature', temperature),
    ),
  ];
  form(
    section,
    model,
    controls,
    'Write',
    async answer => {
      let text = prompt.value;
      const shown = element('pre', { textContent: text });
      answer.replaceChildren(shown);
      for (let left = Number(length.value); left > 0; left -= 20) {
        // in parts, which can be read meanwhile
        const out = await predict({
          prompt: [text.slice(-300)],
          length: Math.min(left, 20),
          temperature: Number(temperature.value),
          seed: Math.floor(Math.random() * 2 ** 31),
        });
        text += out.text[0];
        shown.textContent = text;
      }
      return shown;
    },
    example => {
      prompt.value = textOf(example.prompt[0]);
    },
  );
}
