// Which form a model gets, by the kind of its answer

// A model gets the form whose tensors one of its signatures has, the default one if no other is named.
// A form reads no output that it does not list.
const FORMS = [
  { inputs: ['text'], outputs: ['probability'], optional: ['label'], form: probabilityForm },
  {
    inputs: ['text'],
    outputs: ['attention', 'source_pieces', 'target_pieces', 'translation'],
    optional: [],
    form: translationForm,
  },
  {
    inputs: ['image'],
    outputs: ['attention', 'caption', 'pieces'],
    optional: [],
    form: captionForm,
  },
  { inputs: ['window'], outputs: ['point', 'quantiles'], optional: ['time'], form: forecastForm },
  {
    inputs: ['prompt', 'length', 'temperature', 'seed'],
    outputs: ['text'],
    optional: [],
    form: continuationForm,
  },
  {
    inputs: ['features', 'length'],
    outputs: ['classes', 'label', 'probabilities', 'probability'],
    optional: [],
    form: seriesForm,
  },
  {
    signature: 'wav',
    inputs: ['wav'],
    outputs: ['classes', 'label', 'probabilities', 'probability'],
    optional: [],
    form: soundForm,
  },
  {
    signature: 'wav',
    inputs: ['wav'],
    outputs: ['text'],
    optional: ['log_probability'],
    form: speechForm,
  },
];

function formFor(signatures) {
  return FORMS.find(({ signature = DEFAULT, inputs, outputs, optional }) => {
    const found = signatures[signature];
    return (
      found &&
      inputs.every(name => name in found.inputs) &&
      outputs.every(name => name in found.outputs) &&
      Object.keys(found.inputs).every(name => inputs.includes(name) || optional.includes(name))
    );
  });
}

/** The form for any other model. */
function jsonForm(section, predict, model) {
  const described = Object.entries(model.inputs).map(
    ([name, tensor]) =>
      `${name}: ${tensor.dtype.slice(3).toLowerCase()} [${tensor.tensor_shape.dim.map(dim => (dim.size < 0 ? '?' : dim.size))}]`,
  );
  const text = element('textarea', {
    name: 'inputs',
    required: true,
    placeholder: `{"${Object.keys(model.inputs)[0]}": ...}`,
  });
  form(
    section,
    model,
    [field(`Inputs as JSON (${described.join(', ')})`, text)],
    'Ask',
    async () => {
      let inputs;
      try {
        inputs = JSON.parse(text.value);
      } catch (error) {
        throw new Error(`The inputs must be JSON: ${error.message}`);
      }
      return element('pre', { textContent: write(await predict(inputs)) });
    },
    example => {
      text.value = JSON.stringify(example);
    },
  );
}
