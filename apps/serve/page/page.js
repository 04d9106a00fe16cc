// Asking the server, and a section for each model

const DEFAULT = 'serving_default';
let key = '';

// The API writes NaN and Infinity, which JSON does not allow. They stand outside of strings, and pass the parser as strings.
const NO_NUMBER = /"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g,
  MARK = '\u0000';
function parse(text) {
  let marked = false;
  const strict = text.replace(NO_NUMBER, found => {
    if (found[0] === '"') return found;
    marked = true;
    return `"\\u0000${found}"`;
  });
  return JSON.parse(
    strict,
    marked
      ? (_, value) => (/^\0(-?Infinity|NaN)$/.test(value) ? Number(value.slice(1)) : value)
      : undefined,
  );
}
/** Returns a value as the API writes it. */
function write(value) {
  const strict = JSON.stringify(
    value,
    (_, part) => (typeof part === 'number' && !Number.isFinite(part) ? MARK + part : part),
    1,
  );
  return strict.replace(/"\\u0000(-?Infinity|NaN)"/g, '$1');
}
async function get(path, body) {
  const response = await fetch(path, {
    method: body ? 'POST' : 'GET',
    headers: {
      ...(body && { 'Content-Type': 'application/json' }),
      ...(key && { 'X-API-Key': key }),
    },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (response.ok && (response.headers.get('Content-Type') ?? '').startsWith('text/')) return text;
  let answer;
  try {
    answer = parse(text);
  } catch {
    // a proxy's answer
    answer = { error: `The server answered with status ${response.status}` };
  }
  if (!response.ok) throw Object.assign(new Error(answer.error), { status: response.status });
  return answer;
}
const pathOf = name => `/v1/models/${encodeURIComponent(name)}`;

/** What the forms know of a model, and how they ask it. */
class Model {
  constructor(name, metadata, about) {
    this.name = name;
    this.version = metadata.model_spec.version;
    this.signatures = metadata.metadata.signature_def.signature_def;
    this.form = formFor(this.signatures);
    this.signature = this.form?.signature ?? DEFAULT; // the one that the page tries
    this.inputs = this.signatures[this.signature]?.inputs;
    this.about = about;
    this.example = about.examples?.[this.signature];
    this.curl = element('pre', { textContent: this.example ? this.asCurl(this.example) : '' });
  }
  /** Returns whether the model has a signature with these inputs and outputs. */
  has(signature, inputs, outputs) {
    const found = this.signatures[signature];
    return (
      Boolean(found) &&
      inputs.every(name => name in found.inputs) &&
      outputs.every(name => name in found.outputs)
    );
  }
  meaning(tensor, signature = DEFAULT) {
    return this.about.meanings?.[signature]?.[tensor] ?? '';
  }
  /** Returns the outputs by name; a single one comes without its name. */
  async ask(inputs, signature) {
    const { outputs } = await get(`${pathOf(this.name)}:predict`, {
      signature_name: signature,
      inputs,
    });
    const names = Object.keys(this.signatures[signature].outputs);
    return names.length === 1 ? { [names[0]]: outputs } : outputs;
  }
  /** Asks the signature that the page tries; returns only the outputs that the form lists. */
  async predict(inputs) {
    this.curl.textContent = this.asCurl(inputs);
    const outputs = await this.ask(inputs, this.signature);
    if (!this.form) return outputs;
    const listed = [...this.form.outputs, ...this.form.optional].filter(name => name in outputs);
    return Object.fromEntries(listed.map(name => [name, outputs[name]]));
  }
  /** Returns a request as a line for a shell; a file stands for long bytes. */
  asCurl(inputs) {
    const named = this.signature === DEFAULT ? {} : { signature_name: this.signature };
    const body = JSON.stringify({ ...named, inputs })
      .replaceAll("'", "'\\''")
      .replace(/"b64":"[^"]{100,}"/g, `"b64":"'"$(base64 < FILE | tr -d '\\n')"'"`);
    const header = key ? ' -H "X-API-Key: $API_KEY"' : '';
    return `curl ${location.origin}${pathOf(this.name)}:predict${header} -d '${body}'`;
  }
}

/** Returns what can be read of a model: its card, and its interface. */
function reference(model) {
  const api = element('details', {}, element('summary', { textContent: 'API' }), model.curl);
  // A link sends no key.
  if (!key)
    api.append(
      element(
        'p',
        {},
        element('a', { href: `${pathOf(model.name)}/metadata`, textContent: 'Signatures' }),
        ' · ',
        element('a', { href: '/openapi.json', textContent: 'All requests (OpenAPI)' }),
      ),
    );
  if (!model.about.card) return [api];
  const text = element('pre', { textContent: 'Loading …' });
  const card = element('details', {}, element('summary', { textContent: 'Model card' }), text);
  card.addEventListener(
    'toggle',
    async () => {
      try {
        text.textContent = await get(`/models/${encodeURIComponent(model.name)}/card`);
      } catch (error) {
        text.textContent = error.message;
      }
    },
    { once: true },
  );
  return [card, api];
}

async function load(name) {
  const [metadata, about] = await Promise.all([
    get(`${pathOf(name)}/metadata`),
    get(`/models/${encodeURIComponent(name)}`),
  ]);
  return new Model(name, metadata, about);
}

async function show() {
  const state = document.getElementById('state');
  try {
    const { models } = await get('/models');
    const loaded = await Promise.allSettled(models.map(load));
    document.getElementById('key').hidden = true;
    state.textContent = models.length ? '' : 'The server has no model.';
    loaded.forEach(({ value: model, reason }, at) => {
      const name = models[at];
      const section = element(
        'section',
        { id: `model-${name}` },
        element('h2', { textContent: name + ' ' }),
      );
      document
        .getElementById('links')
        .append(element('a', { href: `#model-${name}`, textContent: name }), ' ');
      document.getElementById('models').append(section);
      if (reason)
        return section.append(element('p', { className: 'error', textContent: reason.message }));
      section.firstChild.append(element('small', { textContent: `version ${model.version}` }));
      if (model.about.trained_on)
        section.append(
          element('p', {
            className: 'about',
            textContent: `Trained on ${model.about.trained_on}.`,
          }),
        );
      if (model.inputs)
        (model.form?.form ?? jsonForm)(section, inputs => model.predict(inputs), model);
      else
        section.append(
          element('p', { textContent: 'This model has no signature serving_default to try.' }),
        );
      section.append(...reference(model));
    });
  } catch (error) {
    document.getElementById('key').hidden = error.status !== 401;
    state.textContent = error.message;
  }
}
document.getElementById('key').addEventListener('submit', event => {
  event.preventDefault();
  key = event.target.elements.key.value;
  show();
});
show();
