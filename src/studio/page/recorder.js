// The microphone, as a WAV file: samples as they are, no compression, no "improvement" by the browser.

import { button, el } from './ui.js';

/** A WAV file (RIFF, 32-bit float, one channel). */
export function wavFile(pieces, rate) {
  const frames = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const bytes = new ArrayBuffer(44 + 4 * frames);
  const view = new DataView(bytes);
  const text = (at, letters) => [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
  text(0, 'RIFF'); view.setUint32(4, 36 + 4 * frames, true); text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true); view.setUint16(20, 3, true); view.setUint16(22, 1, true);
  view.setUint32(24, rate, true); view.setUint32(28, 4 * rate, true); view.setUint16(32, 4, true); view.setUint16(34, 32, true);
  text(36, 'data'); view.setUint32(40, 4 * frames, true);
  let at = 44;
  for (const piece of pieces) for (const x of piece) { view.setFloat32(at, x, true); at += 4; }
  return bytes;
}

/** A button that records until it is pressed again, or until `cancel`; `take` gets the file. */
export function recorder(take) {
  const clock = el('span', { class: 'small', role: 'timer' });
  let recording;
  const press = button('Record a riff', async () => {
    if (recording) return keep();
    // Browsers give it to pages of this machine alone.
    if (!navigator.mediaDevices) throw new Error('the microphone: the browser gives it to a page at 127.0.0.1 or localhost only');
    recording = await open();
    press.textContent = 'Stop recording';
    press.classList.add('on-air');
  });
  const node = el('span', { class: 'recorder' }, press, clock);
  node.cancel = () => close();

  async function open() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } })
      .catch((error) => { throw new Error(`the microphone: ${error.message}`); });
    const context = new AudioContext();
    await context.audioWorklet.addModule('/recorder-worklet.js');
    const listener = new AudioWorkletNode(context, 'recorder', { numberOfOutputs: 0 });
    const pieces = [];
    let frames = 0;
    const ended = new Promise((done) => {
      listener.port.onmessage = ({ data }) => {
        if (!data) return done();
        pieces.push(data);
        frames += data.length;
        clock.textContent = ` ${(frames / context.sampleRate).toFixed(0)} s`;
      };
    });
    context.createMediaStreamSource(stream).connect(listener);
    return { stream, context, listener, pieces, ended };
  }

  async function keep() {
    const { listener, pieces, ended, context } = recording;
    listener.port.postMessage('end');
    await ended;
    close();
    const name = `riff-${new Date().toISOString().slice(0, 19).replaceAll(/[:T]/g, '-')}.wav`;
    await take(new File([wavFile(pieces, context.sampleRate)], name, { type: 'audio/wav' }));
  }

  function close() {
    recording?.stream.getTracks().forEach((track) => track.stop());
    recording?.context.close();
    recording = undefined;
    press.textContent = 'Record a riff';
    press.classList.remove('on-air');
    clock.textContent = '';
  }
  return node;
}
