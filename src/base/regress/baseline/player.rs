//! Playing a baseline over a signal of any length, block by block, in bounded memory. Knows
//! nothing of files, rates or fitting.

use super::Baseline;
use super::filter::FilterBank;
use super::segment::Segment;

/// One channel. Work is done in pieces at fixed places of the signal, so the samples that come
/// out are the same, bit for bit, however it is cut into blocks, and those of
/// [`Baseline::predict`].
pub struct Player {
    bank: FilterBank,
    /// Dry samples before the next piece, at most the context.
    past: Vec<f32>,
    /// Dry samples of a piece that is not yet complete.
    pending: Vec<f32>,
}

impl std::fmt::Debug for Player {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Player({} samples pending)", self.pending.len())
    }
}

impl Player {
    /// Plays `baseline` after silence.
    pub fn new(baseline: &Baseline) -> Self {
        Self {
            bank: baseline.filter_bank(),
            past: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Hears a block of any length and appends what is complete to `out`; the rest comes with
    /// later blocks or with [`Player::finish`].
    pub fn push(&mut self, dry: &[f32], out: &mut Vec<f32>) {
        self.pending.extend_from_slice(dry);
        let hop = self.bank.hop();
        let whole = self.pending.len() / hop * hop;
        self.play(whole, out);
    }

    /// Appends what is still due: as many samples have then come out as went in.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        self.play(self.pending.len(), out);
    }

    /// Plays the first `len` pending samples.
    fn play(&mut self, len: usize, out: &mut Vec<f32>) {
        if len == 0 {
            return;
        }
        let segment = Segment {
            dry: &self.pending[..len],
            wet: &[],
            context: &self.past,
        };
        out.extend(self.bank.apply(&segment));
        self.past.extend(self.pending.drain(..len));
        let surplus = self.past.len().saturating_sub(self.bank.context());
        self.past.drain(..surplus);
    }
}
