// Gathers the microphone's samples, 2048 at a time.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.piece = new Float32Array(2048);
    this.filled = 0;
  }

  process([[samples]]) {
    if (!samples) return true;
    for (const x of samples) {
      this.piece[this.filled++] = x;
      if (this.filled === this.piece.length) {
        this.port.postMessage(this.piece.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}
registerProcessor('recorder', Recorder);
