//! The one shape that AIDA-X and Proteus play: a recurrent layer, a dense layer, and perhaps the
//! input added to the output.

use super::common::refuse_tail;
use crate::network::{
    Affine, Architecture, Conv1d, Gru, Join, Layer, Lstm, Network, Residual, Sequential,
};

/// The hidden sizes AIDA-X has code for.
const AIDAX_SIZES: [usize; 9] = [8, 12, 16, 20, 24, 32, 40, 64, 80];
/// The most inputs AIDA-X has code for: the audio and two knobs.
const AIDAX_INPUTS: usize = 3;
/// What Proteus plays, and what its files, which keep no rate, were made for.
pub(super) const PROTEUS_RATE: u32 = 44_100;
const PROTEUS_SIZE: usize = 40;

/// A recurrent layer of either kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Lstm(Lstm),
    Gru(Gru),
}

impl Cell {
    pub(super) fn hidden_size(&self) -> usize {
        match self {
            Self::Lstm(lstm) => lstm.hidden_size,
            Self::Gru(gru) => gru.hidden_size,
        }
    }
}

impl From<Cell> for Layer {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Lstm(lstm) => Self::Lstm(lstm),
            Cell::Gru(gru) => Self::Gru(gru),
        }
    }
}

/// y = output_gain · (dense(cell(x)) + input), where x is the input with the audio (channel 0)
/// times `input_gain`, and the input is added only with `skip`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RecurrentNet {
    pub(super) inputs: usize,
    pub(super) cell: Cell,
    pub(super) dense: Conv1d,
    pub(super) skip: bool,
    pub(super) input_gain: f32,
    pub(super) output_gain: f32,
}

impl RecurrentNet {
    /// The same as layers.
    pub(super) fn into_sequential(self) -> Sequential {
        let mut layers = Vec::new();
        if self.input_gain != 1.0 {
            let mut scale = vec![1.0; self.inputs];
            scale[0] = self.input_gain;
            layers.push(Layer::Affine(Affine {
                scale,
                shift: vec![0.0; self.inputs],
            }));
        }
        let body = vec![self.cell.into(), Layer::Conv1d(self.dense)];
        match self.skip {
            true => layers.push(Layer::Residual(Residual {
                body,
                shortcut: None,
            })),
            false => layers.extend(body),
        }
        if self.output_gain != 1.0 {
            let affine = Affine {
                scale: vec![self.output_gain],
                shift: vec![0.0],
            };
            layers.push(Layer::Affine(affine));
        }
        Sequential {
            input_channels: self.inputs,
            layers,
        }
    }

    /// Finds the shape in a network, or says why it is not there.
    pub(super) fn find(network: &Network) -> Result<Self, String> {
        refuse_tail(network)?;
        let form = "it plays exactly one LSTM or GRU layer and a dense layer with one output";
        let Architecture::Sequential(net) = &network.architecture else {
            return Err(format!("{form}; this is {}", network.family()));
        };
        let mut layers = net.layers.as_slice();
        let (mut input_gain, mut output_gain) = (1.0, 1.0);
        if let [Layer::Affine(affine), rest @ ..] = layers {
            input_gain = only_gain(affine).ok_or(form)?;
            layers = rest;
        }
        if let [rest @ .., Layer::Affine(affine)] = layers {
            output_gain = only_gain(affine).ok_or(form)?;
            layers = rest;
        }
        let mut skip = false;
        if let [
            Layer::Residual(Residual {
                body,
                shortcut: None,
            }),
        ] = layers
        {
            (skip, layers) = (true, body);
        }
        let (cell, dense) = match layers {
            [Layer::Lstm(lstm), Layer::Conv1d(dense)] => (Cell::Lstm(lstm.clone()), dense),
            [Layer::Gru(gru), Layer::Conv1d(dense)] => (Cell::Gru(gru.clone()), dense),
            [Layer::Branches(paths)] if paths.join == Join::Product => {
                return Err(
                    "it cannot multiply the dry sound by a gain; train with model.gain = false for it"
                        .into(),
                );
            }
            _ => return Err(form.into()),
        };
        if dense.kernel_size != 1 || dense.out_channels != 1 {
            return Err(form.into());
        }
        let state = match &cell {
            Cell::Lstm(lstm) => [lstm.initial_hidden.as_slice(), &lstm.initial_cell],
            Cell::Gru(gru) => [gru.initial_hidden.as_slice(), &[]],
        };
        if state.iter().any(|s| s.iter().any(|x| *x != 0.0)) {
            return Err(
                "it starts recurrent layers from zero, this network from a stored state".into(),
            );
        }
        let (inputs, dense) = (net.input_channels, dense.clone());
        Ok(Self {
            inputs,
            cell,
            dense,
            skip,
            input_gain,
            output_gain,
        })
    }

    /// The shape, where AIDA-X has code for its sizes; otherwise what it lacks.
    pub(super) fn for_aidax(network: &Network) -> Result<Self, String> {
        let net = Self::find(network)?;
        if net.inputs > AIDAX_INPUTS {
            return Err(format!(
                "its players take the audio and at most 2 knobs, this has {}",
                net.inputs - 1
            ));
        }
        let units = net.cell.hidden_size();
        if !AIDAX_SIZES.contains(&units) {
            let sizes = AIDAX_SIZES.map(|n| n.to_string()).join(", ");
            return Err(format!(
                "its players have hidden sizes {sizes}, this has {units}"
            ));
        }
        if net.input_gain <= 0.0 || net.output_gain <= 0.0 {
            return Err("its gains are in decibels, so they cannot be zero or inverted".into());
        }
        Ok(net)
    }

    /// The shape, where Proteus has code for its sizes and rate; otherwise what it lacks.
    pub(super) fn for_proteus(network: &Network) -> Result<Self, String> {
        let net = Self::find(network)?;
        if net.input_gain != 1.0 || net.output_gain != 1.0 {
            return Err("it has no input or output gain".into());
        }
        if net.inputs > 2 {
            return Err(format!(
                "its player takes the audio and at most 1 knob, this has {}",
                net.inputs - 1
            ));
        }
        if net.cell.hidden_size() != PROTEUS_SIZE {
            return Err(format!(
                "its player has hidden size {PROTEUS_SIZE}, this has {}",
                net.cell.hidden_size()
            ));
        }
        if network.sample_rate != PROTEUS_RATE {
            return Err(format!(
                "its player runs at {PROTEUS_RATE} Hz, this network at {}",
                network.sample_rate
            ));
        }
        Ok(net)
    }
}

/// The factor on channel 0 of a layer that does nothing else.
fn only_gain(affine: &Affine) -> Option<f32> {
    let (first, rest) = affine.scale.split_first()?;
    let nothing_else = rest.iter().all(|s| *s == 1.0) && affine.shift.iter().all(|s| *s == 0.0);
    nothing_else.then_some(*first)
}
