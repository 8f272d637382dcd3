// Gathers the microphone's samples, 2048 at a time, and the rest when it is told to end.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(2048);
    this.filled = 0;
    this.goesOn = true;
    this.port.onmessage = () => {
      this.send();
      this.port.postMessage(null);
      this.goesOn = false;
    };
  }

  send() {
    this.port.postMessage(this.piece.slice(0, this.filled));
    this.filled = 0;
  }

  process([[samples]]) {
    for (const x of samples ?? []) {
      this.piece[this.filled++] = x;
      if (this.filled === this.piece.length) this.send();
    }
    return this.goesOn;
  }
}
registerProcessor('recorder', Recorder);
