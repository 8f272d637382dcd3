//! Scales and offsets per row that follow the signal's own peaks, one block late.

use super::conv::Conv;
use crate::engine::block::Block;
use crate::engine::node::{Node, Plannable};
use crate::engine::plan::Plan;
use crate::network::{DescriptionError, TemporalFilm};

#[derive(Debug)]
struct TemporalFilmNode {
    block_size: usize,
    /// Samples of the present block heard.
    heard: usize,
    /// The largest |x| of each row in the present block.
    peaks: Vec<f32>,
    lstm: Box<dyn Node>,
    projection: Conv,
    initial_hidden: Vec<f32>,
    /// One sample of what the LSTM and the projection work on.
    values: Block,
    /// What modulates the present block.
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Plannable for TemporalFilm {
    fn node(&self, inputs: usize, plan: &Plan) -> Result<Box<dyn Node>, DescriptionError> {
        let hidden = self.lstm.hidden_size;
        let mut initial_hidden = self.lstm.initial_hidden.clone();
        initial_hidden.resize(hidden, 0.0);
        let widest = inputs.max(hidden).max(self.projection.out_channels);
        let mut node = TemporalFilmNode {
            block_size: self.block_size,
            heard: 0,
            peaks: vec![0.0; inputs],
            lstm: self.lstm.node(inputs, plan)?,
            projection: Conv::new(&self.projection, plan)?,
            initial_hidden,
            values: Block::new(widest, plan)?,
            scale: vec![1.0; inputs],
            shift: vec![0.0; if self.shift { inputs } else { 0 }],
        };
        node.reset();
        Ok(Box::new(node))
    }
}

impl Node for TemporalFilmNode {
    fn process(&mut self, block: &mut Block, len: usize) {
        let mut start = 0;
        while start < len {
            let end = len.min(start + self.block_size - self.heard);
            for (row, peak) in self.peaks.iter_mut().enumerate() {
                let samples = &mut block.row_mut(row, end)[start..];
                *peak = peak.max(largest(samples));
                let scale = self.scale[row];
                let shift = self.shift.get(row).copied().unwrap_or(0.0);
                samples.iter_mut().for_each(|x| *x = *x * scale + shift);
            }
            self.heard += end - start;
            if self.heard == self.block_size {
                self.next_block();
            }
            start = end;
        }
    }

    fn reset(&mut self) {
        self.lstm.reset();
        self.heard = 0;
        self.peaks.fill(0.0);
        set_values(&mut self.values, &self.initial_hidden);
        self.modulate_by_hidden();
    }
}

impl TemporalFilmNode {
    /// One step of the LSTM, which decides what modulates the next block.
    fn next_block(&mut self) {
        set_values(&mut self.values, &self.peaks);
        self.lstm.process(&mut self.values, 1);
        self.modulate_by_hidden();
        self.heard = 0;
        self.peaks.fill(0.0);
    }

    /// Scales and offsets from the hidden state in `values`.
    fn modulate_by_hidden(&mut self) {
        self.projection.process(&mut self.values, 1);
        let projected = |row: usize| self.values.row(row, 1)[0];
        let rows = self.scale.len();
        for (row, scale) in self.scale.iter_mut().enumerate() {
            *scale = 1.0 + projected(row);
        }
        for (row, shift) in self.shift.iter_mut().enumerate() {
            *shift = projected(rows + row);
        }
    }
}

/// The first sample of the first rows.
fn set_values(values: &mut Block, to: &[f32]) {
    for (row, value) in to.iter().enumerate() {
        values.row_mut(row, 1)[0] = *value;
    }
}

/// max |x|. In sixteen strands, which compilers turn into vectors; the largest of all is the same.
fn largest(samples: &[f32]) -> f32 {
    let larger = |most: f32, x: &f32| if x.abs() > most { x.abs() } else { most };
    let (whole, rest) = samples.as_chunks::<16>();
    let mut strands = [0.0f32; 16];
    for part in whole {
        for (most, x) in strands.iter_mut().zip(part) {
            *most = larger(*most, x);
        }
    }
    strands.iter().chain(rest).fold(0.0, larger)
}

#[cfg(test)]
mod tests {
    use crate::engine::Engine;
    use crate::network::{Architecture, Conv1d, Layer, Lstm, Network, Sequential, TemporalFilm};

    /// One channel, one unit: louder blocks make the next one quieter.
    fn network(block_size: usize) -> Network {
        let lstm = Lstm {
            input_size: 1,
            hidden_size: 1,
            weight_input: vec![2.0, 0.5, -3.0, 1.0],
            weight_hidden: vec![0.3, -0.2, 0.4, 0.1],
            bias: vec![0.1, 0.2, 0.0, 0.3],
            initial_hidden: vec![],
            initial_cell: vec![],
        };
        let film = TemporalFilm {
            block_size,
            lstm,
            projection: Conv1d::dense(1, 2, vec![0.8, 0.1], vec![-0.25, 0.5]),
            shift: true,
        };
        let layers = Sequential {
            input_channels: 1,
            layers: vec![Layer::TemporalFilm(film)],
        };
        Network::new(Architecture::Sequential(layers), 48_000)
    }

    fn play(engine: &mut Engine, input: &[f32], cut: usize) -> Vec<f32> {
        let mut output = vec![0.0; input.len()];
        for (x, y) in input.chunks(cut).zip(output.chunks_mut(cut)) {
            engine.process(x, y);
        }
        output
    }

    fn signal(len: usize) -> Vec<f32> {
        (0..len).map(|t| (t as f32 * 0.37).sin() * 0.9).collect()
    }

    #[test]
    fn any_cut_into_pieces_is_the_whole_and_reset_starts_anew() {
        let input = signal(1500);
        for block_size in [1, 7, 16, 256, 257, 700, 5000] {
            let mut engine = Engine::new(&network(block_size)).unwrap();
            let whole = play(&mut engine, &input, input.len());
            for cut in [1, 5, 64, 256, 300] {
                engine.reset();
                let cut_up = play(&mut engine, &input, cut);
                assert!(cut_up == whole, "blocks of {block_size}, pieces of {cut}");
            }
        }
    }

    #[test]
    fn the_first_block_hears_an_lstm_that_has_heard_nothing() {
        let input = signal(50);
        let output = play(&mut Engine::new(&network(50)).unwrap(), &input, 50);
        // With h = 0 the projection is its bias.
        assert!(input.iter().zip(&output).all(|(x, y)| *y == x * 0.75 + 0.5));
    }

    #[test]
    fn a_peak_is_heard_from_the_next_block_on() {
        let mut input = vec![0.1; 40];
        let mut engine = Engine::new(&network(10)).unwrap();
        let before = play(&mut engine, &input, 40);
        input[13] = -0.9;
        engine.reset();
        let after = play(&mut engine, &input, 40);
        let changed: Vec<usize> = (0..40).filter(|t| before[*t] != after[*t]).collect();
        assert_eq!(changed[0], 13);
        assert_eq!(changed[1], 20);
        // x · tanh(−2.7) of a cell fed by a loud block is more negative: the next is quieter.
        assert!(after[20] < before[20]);
    }
}
