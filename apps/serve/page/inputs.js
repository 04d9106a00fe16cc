// Inputs that are made in the page: recordings, lines that are drawn, tables and images

const EVERY = 400; // milliseconds between two answers while an input is made
const LONGEST = 60; // seconds of a recording
const POINTS = 25; // a second, of a line that is drawn
const RATE = 16000; // samples a second, unless the card of a model names its own

const pause = milliseconds =>
  new Promise(go => {
    setTimeout(go, milliseconds);
  });

/** Asks again and again, one request at a time, until `ended` is fulfilled, and shows the answers so far. */
async function follow(ended, ask, show) {
  let over = false;
  ended.then(() => {
    over = true;
  });
  for (;;) {
    await Promise.race([ended, pause(EVERY)]);
    if (over) return;
    try {
      const shown = await ask();
      if (shown) show(...shown, element('p', { className: 'about', textContent: 'So far.' }));
    } catch (error) {
      show(failure(error));
    }
  }
}

/** Lets a file be dropped on the place of its control. */
function acceptDrops(drop, file, chosen) {
  drop.addEventListener('dragover', event => {
    event.preventDefault();
    drop.classList.add('over');
  });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', event => {
    event.preventDefault();
    drop.classList.remove('over');
    file.files = event.dataTransfer.files;
    chosen();
  });
}
/** Puts a file into a control, as if it had been chosen. */
function choose(control, content, name) {
  const chosen = new DataTransfer();
  chosen.items.add(new File([content], name));
  control.files = chosen.files;
}
/** Returns bytes as the API takes them. */
function encoded(bytes) {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 32768)
    binary += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return { b64: btoa(binary) };
}

/** Returns samples from -1 to 1 as a WAV file of 16 bits and one channel. */
function wavOf(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, word) =>
    [...word].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, 'RIFF');
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true); // bytes of what follows, until the samples
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true); // whole numbers, of one channel
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true); // bytes and bits of a sample
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  samples.forEach((sample, i) =>
    view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, sample))), true),
  );
  return new Uint8Array(view.buffer);
}
/** Returns a file as a WAV file of 16 bits and an honest header, whatever recording it is that the browser can decode. */
async function readRecording(file, rate) {
  const content = await file.arrayBuffer(),
    view = new DataView(content);
  const text = (from, to) => String.fromCharCode(...new Uint8Array(content.slice(from, to)));
  const plain =
    content.byteLength >= 44 &&
    text(0, 4) + text(8, 16) === 'RIFFWAVEfmt ' &&
    view.getUint16(20, true) === 1 &&
    view.getUint16(34, true) === 16 &&
    text(36, 40) === 'data' &&
    view.getUint32(40, true) <= content.byteLength - 44;
  if (plain) return new Uint8Array(content);
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(content);
  } catch {
    throw new Error(
      `${file.name} is no recording that this browser can decode; choose another file`,
    );
  }
  const channels = Array.from({ length: decoded.numberOfChannels }, (_, c) =>
    decoded.getChannelData(c),
  );
  const heard = channels.filter(channel => channel.some(sample => sample)),
    count = Math.max(1, heard.length);
  return wavOf(
    Float32Array.from(
      channels[0],
      (_, i) => heard.reduce((sum, channel) => sum + channel[i], 0) / count,
    ),
    rate,
  );
}

const RECORDER = `registerProcessor('recorder', class extends AudioWorkletProcessor {
  process([[samples]]) { if (samples) this.port.postMessage(samples.slice()); return true; }
});`;
/** Begins to record, and gives each piece of samples to `heard`. Returns the rate, and what ends it. */
async function listen(wanted, heard) {
  if (!navigator.mediaDevices?.getUserMedia) {
    throw new Error(
      `Browsers give the microphone only to pages of https or of localhost, and this one is of ${location.origin}; choose a file`,
    );
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  } catch (error) {
    throw new Error(
      error.name === 'NotAllowedError'
        ? 'The microphone was refused; allow it to this page in the browser, or choose a file'
        : `There is no microphone to record with (${error.message}); choose a file`,
    );
  }
  let context = new AudioContext({ sampleRate: wanted }),
    source;
  const end = () => {
    stream.getTracks().forEach(track => track.stop());
    return context.close();
  };
  try {
    try {
      source = context.createMediaStreamSource(stream);
    } catch {
      // Firefox records at the rate of the microphone
      await context.close();
      context = new AudioContext();
      source = context.createMediaStreamSource(stream);
    }
    const script = URL.createObjectURL(new Blob([RECORDER], { type: 'text/javascript' }));
    await context.audioWorklet.addModule(script);
    URL.revokeObjectURL(script);
    const recorder = new AudioWorkletNode(context, 'recorder', {
      channelCount: 1,
      channelCountMode: 'explicit',
    });
    recorder.port.onmessage = ({ data }) => heard(data);
    source.connect(recorder).connect(context.destination); // which stays silent: the recorder writes nothing
  } catch (error) {
    await end();
    throw error;
  }
  return { rate: context.sampleRate, end };
}
function joined(pieces) {
  const all = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
  return all;
}

/** Returns how many samples a second a model hears, as its card says. */
function rateOf(model) {
  const said = /([\d,]+) samples a second/.exec(model.meaning('samples'));
  return said ? Number(said[1].replaceAll(',', '')) : RATE;
}
/** Returns a function from all samples so far to the text so far, if a model has the signature `step`. */
function stepsOf(model) {
  const first = model.about.examples?.step; // its states are those before the first sample
  if (!first?.samples || !model.has('step', ['samples'], ['text'])) return null;
  const {
    samples: [{ length: block }],
    ...begin
  } = first;
  let states = begin,
    heard = 0,
    said = '';
  return async samples => {
    const end = heard + block * Math.floor((samples.length - heard) / block);
    if (end > heard) {
      const {
        text: [more],
        ...after
      } = await model.ask(
        { ...states, samples: [Array.from(samples.subarray(heard, end))] },
        'step',
      );
      [states, heard, said] = [after, end, said + more];
    }
    return said;
  };
}

/** Adds a form for a recording. `respond` answers the bytes of a WAV file, `write` shows a text so far. */
function addRecorder(section, model, verb, respond, write) {
  const rate = rateOf(model);
  const file = element('input', {
    type: 'file',
    name: 'recording',
    accept: 'audio/*',
    required: true,
  });
  const record = element('button', { type: 'button', className: 'quiet', textContent: 'Record' });
  const player = element('audio', { controls: true, hidden: true });
  player.setAttribute('aria-label', 'What was recorded');
  const drop = element(
    'div',
    { className: 'drop' },
    field('A recording, chosen or dropped here', file),
    element('div', { className: 'buttons' }, record, player),
  );
  const { made, show } = form(section, model, [drop], verb, async () =>
    respond(await readRecording(file.files[0], rate)),
  );
  acceptDrops(drop, file, () => made.requestSubmit());
  let stop;
  record.addEventListener('click', async () => {
    if (stop) return stop();
    const pieces = [],
      ended = new Promise(go => {
        stop = go;
      });
    try {
      const microphone = await listen(rate, piece => pieces.push(piece));
      record.textContent = 'Stop recording';
      const limit = setTimeout(stop, 1000 * LONGEST);
      const step = write && microphone.rate === rate ? stepsOf(model) : null;
      await follow(
        ended,
        async () => {
          const samples = joined(pieces);
          if (!samples.length) return null;
          return step ? write(await step(samples)) : respond(wavOf(samples, microphone.rate));
        },
        show,
      );
      clearTimeout(limit);
      await microphone.end();
      choose(file, wavOf(joined(pieces), microphone.rate), 'recorded.wav');
      URL.revokeObjectURL(player.src);
      player.src = URL.createObjectURL(file.files[0]);
      player.hidden = false;
      made.requestSubmit();
    } catch (error) {
      show(failure(error));
    } finally {
      stop = undefined;
      record.textContent = 'Record';
    }
  });
}

/** Returns the numbers of a text, a row a line. A head is left out. */
function rowsOf(text, columns) {
  const lines = text
    .split('\n')
    .map((line, at) => ({ at: at + 1, words: line.trim().split(/[\s,;]+/) }))
    .filter(({ words }) => words[0] !== '');
  const isNumber = word => word !== '' && Number.isFinite(Number(word));
  const body = lines.length && !lines[0].words.some(isNumber) ? lines.slice(1) : lines;
  const wrong = body.find(({ words }) => words.length !== columns || !words.every(isNumber));
  if (wrong)
    throw new Error(
      `Line ${wrong.at} must be ${columns} number${columns > 1 ? 's, with commas between' : ''}; it is "${wrong.words.join(', ').slice(0, 60)}"`,
    );
  if (!body.length) throw new Error('There must be a line of numbers for each step; there is none');
  return body.map(({ words }) => words.map(Number));
}
/** Returns an image as rows of shades from 0 (black) to 1 (white), as many as columns. */
async function rowsOfImage(file, size) {
  let picture;
  try {
    picture = await createImageBitmap(file, { resizeWidth: size, resizeHeight: size });
  } catch {
    throw new Error(`${file.name} is no image that this browser can read; choose another file`);
  }
  const pen = element('canvas', { width: size, height: size }).getContext('2d');
  pen.drawImage(picture, 0, 0);
  const { data } = pen.getImageData(0, 0, size, size);
  const shade = at => (0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]) / 255;
  return Array.from({ length: size }, (_, y) =>
    Array.from({ length: size }, (_, x) => Number(shade(4 * (y * size + x)).toFixed(4))),
  );
}

/**
 * Returns a canvas on which a line is drawn with a finger, a pen or the mouse, and what shows a line there.
 * `begun` gets the points, which become more, and a promise that the line is done. The example of a
 * model says how large its numbers are.
 */
function drawingPad(example, begun) {
  const sides = example
    ? [0, 1].map(axis => example.map(row => row[axis]))
    : [
        [-1, 1],
        [-1, 1],
      ];
  const middle = sides.map(side => (Math.max(...side) + Math.min(...side)) / 2);
  const span = 1.25 * Math.max(...sides.map(side => Math.max(...side) - Math.min(...side))) || 1;
  const canvas = element('canvas', { className: 'pad', width: 480, height: 480 });
  canvas.setAttribute('role', 'img');
  canvas.setAttribute(
    'aria-label',
    'A place to draw a line on. Its numbers can be written below instead.',
  );
  const place = event => {
    const box = canvas.getBoundingClientRect();
    const right = (event.clientX - box.left) / box.width - 0.5,
      up = 0.5 - (event.clientY - box.top) / box.height;
    return [middle[0] + span * right, middle[1] + span * up].map(value => Number(value.toFixed(4)));
  };
  const draw = points => {
    const pen = canvas.getContext('2d'),
      { width, height } = canvas;
    pen.clearRect(0, 0, width, height);
    pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue('--accent'); // seen on light and on dark
    pen.lineWidth = 5;
    pen.lineCap = pen.lineJoin = 'round';
    pen.beginPath();
    points.forEach(([x, y]) =>
      pen.lineTo(width * ((x - middle[0]) / span + 0.5), height * (0.5 - (y - middle[1]) / span)),
    );
    pen.stroke();
  };
  let lift, drawing;
  canvas.addEventListener('pointerdown', event => {
    if (lift) return; // a second finger
    event.preventDefault();
    drawing = event.pointerId;
    canvas.setPointerCapture(drawing);
    let last = place(event);
    const points = [last];
    const clock = setInterval(() => points.push(last), 1000 / POINTS); // at moments of equal distance
    const move = moved => {
      if (moved.pointerId === drawing) draw([...points, (last = place(moved))]);
    };
    canvas.addEventListener('pointermove', move);
    const lifted = new Promise(go => {
      lift = go;
    }).then(() => {
      clearInterval(clock);
      canvas.removeEventListener('pointermove', move);
      lift = undefined;
    });
    begun(points, lifted);
  });
  for (const end of ['pointerup', 'pointercancel'])
    canvas.addEventListener(end, event => {
      if (event.pointerId === drawing) lift?.();
    });
  return { canvas, draw };
}
