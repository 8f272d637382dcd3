//! The state that a `.nam` file starts an LSTM from: where it stands after silence.

use crate::network::{Architecture, Layer, Lstm, Network};

/// Zero samples the field's trainer plays before it stores the state.
const SILENCE: usize = 48_000;

/// The network with its LSTM layers' initial states as a `.nam` file stores them: after 48,000
/// zero samples from a zero state. Stored states stay; so do networks that are no LSTM.
pub fn settled(network: &Network) -> Network {
    let mut settled = network.clone();
    let Architecture::Sequential(net) = &mut settled.architecture else {
        return settled;
    };
    let mut lstms: Vec<&mut Lstm> = Vec::new();
    for layer in &mut net.layers {
        match layer {
            Layer::Lstm(lstm) if lstm.initial_hidden.is_empty() && lstm.initial_cell.is_empty() => {
                lstms.push(lstm);
            }
            // The head comes after the last of them; whatever else there is has no `.nam` form.
            _ => break,
        }
    }
    if lstms.is_empty() || net.input_channels != 1 {
        return settled;
    }
    let mut states: Vec<State> = lstms.iter().map(|lstm| State::new(lstm)).collect();
    for _ in 0..SILENCE {
        let before = states.clone();
        let mut input = vec![0.0];
        for (lstm, state) in lstms.iter().zip(&mut states) {
            state.advance(lstm, &input);
            input.clone_from(&state.hidden);
        }
        // Where it stands still, more silence changes nothing.
        if states == before {
            break;
        }
    }
    let numbers = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
    for (lstm, state) in lstms.iter_mut().zip(&states) {
        lstm.initial_hidden = numbers(&state.hidden);
        lstm.initial_cell = numbers(&state.cell);
    }
    settled
}

#[derive(Clone, PartialEq)]
struct State {
    hidden: Vec<f64>,
    cell: Vec<f64>,
}

impl State {
    fn new(lstm: &Lstm) -> Self {
        Self {
            hidden: vec![0.0; lstm.hidden_size],
            cell: vec![0.0; lstm.hidden_size],
        }
    }

    /// One sample: c ← σ(f)·c + σ(i)·tanh(g), h ← σ(o)·tanh(c), rows in the order i, f, g, o.
    fn advance(&mut self, lstm: &Lstm, input: &[f64]) {
        let units = lstm.hidden_size;
        let dot = |row: &[f32], x: &[f64]| -> f64 {
            row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()
        };
        let rows = lstm.weight_input.chunks_exact(lstm.input_size);
        let rows = rows.zip(lstm.weight_hidden.chunks_exact(units));
        let gates: Vec<f64> = rows
            .zip(&lstm.bias)
            .map(|((w, u), b)| dot(w, input) + dot(u, &self.hidden) + f64::from(*b))
            .collect();
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        for unit in 0..units {
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| gates[gate * units + unit]);
            self.cell[unit] = sigmoid(f) * self.cell[unit] + sigmoid(i) * g.tanh();
            self.hidden[unit] = sigmoid(o) * self.cell[unit].tanh();
        }
    }
}
