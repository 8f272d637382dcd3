//! Modulation by what the signal itself did a block ago.

use super::{Conv1d, Lstm};
use crate::network::bounds::{MAX_HISTORY, channels, size};
use crate::network::error::DescriptionError;
use crate::network::part::{Cost, Part, total};
use serde::{Deserialize, Serialize};

/// Temporal FiLM: scales (and shifts) each channel by what a small LSTM makes of its recent peaks.
///
/// Time is cut into blocks of `block_size` samples, counted from the first sample on. With
/// s_k[c] = max |x[c][t]| over block k, h_k = lstm(s_k) and p_k = projection(h_k), during block
/// k + 1 y[c][t] = x[c][t] · (1 + p_k[c]), plus p_k[channels + c] with `shift`: every block is
/// modulated by those before it, so the layer is causal. Block 0 is modulated by projection(h)
/// of an LSTM that has heard nothing: h is its initial hidden state, zero unless it holds one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemporalFilm {
    /// Samples per block.
    pub block_size: usize,
    /// One step per block; its input size is the layer's channels.
    pub lstm: Lstm,
    /// Hidden state → one scale per channel, less 1, then, with `shift`, one offset per channel;
    /// kernel size 1.
    pub projection: Conv1d,
    /// Whether offsets follow the scales.
    pub shift: bool,
}

impl Part for TemporalFilm {
    fn check(&self, inputs: usize, controls: usize) -> Result<usize, DescriptionError> {
        size("block_size", self.block_size, MAX_HISTORY)?;
        let hidden = self.lstm.check(inputs, controls);
        let hidden = hidden.map_err(|e| e.within("temporal FiLM"))?;
        if self.projection.kernel_size != 1 {
            let why = format!("kernel size {} must be 1", self.projection.kernel_size);
            return Err(DescriptionError::invalid("temporal FiLM projection", why));
        }
        let values = self.projection.check(hidden, controls);
        let values = values.map_err(|e| e.within("temporal FiLM projection"))?;
        let expected = inputs.saturating_mul(if self.shift { 2 } else { 1 });
        channels("temporal FiLM projection", values, expected)?;
        Ok(inputs)
    }

    /// The LSTM takes one step per block; every sample of every channel is scaled.
    fn cost(&self) -> Option<Cost> {
        let parts = total([self.lstm.cost(), self.projection.cost()])?;
        let each = parts.macs.div_ceil(self.block_size.max(1));
        Some(Cost {
            macs: each.checked_add(self.lstm.input_size)?,
            ..parts
        })
    }

    fn context(&self) -> Option<usize> {
        None
    }

    fn shape(&self) -> String {
        let (hidden, block) = (self.lstm.hidden_size, self.block_size);
        format!("temporal FiLM of LSTM {hidden} every {block}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(block_size: usize, outputs: usize, shift: bool) -> TemporalFilm {
        let (inputs, units) = (3, 2);
        TemporalFilm {
            block_size,
            lstm: Lstm {
                input_size: inputs,
                hidden_size: units,
                weight_input: vec![0.1; 4 * units * inputs],
                weight_hidden: vec![0.1; 4 * units * units],
                bias: vec![0.0; 4 * units],
                initial_hidden: vec![],
                initial_cell: vec![],
            },
            projection: Conv1d::dense(units, outputs, vec![0.1; units * outputs], vec![]),
            shift,
        }
    }

    #[test]
    fn it_keeps_its_channels_and_costs_its_share_of_a_step() {
        let film = film(10, 6, true);
        assert_eq!(film.check(3, 0), Ok(3));
        let cost = film.cost().unwrap();
        let (step, projection) = (4 * 2 * (3 + 2), 2 * 6);
        assert_eq!(cost.weights, step + 8 + projection);
        assert_eq!(cost.macs, (step + projection).div_ceil(10) + 3);
        assert_eq!(film.context(), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let said = |film: TemporalFilm| film.check(3, 0).unwrap_err().to_string();
        assert!(said(film(0, 3, false)).contains("block_size: is 0"));
        let error = said(film(10, 3, true));
        assert_eq!(
            error,
            "temporal FiLM projection has 3 channels, 6 are needed there"
        );
        let mut wide = film(10, 3, false);
        wide.projection.kernel_size = 2;
        assert!(said(wide).contains("kernel size 2 must be 1"));
        assert!(film(10, 3, false).check(4, 0).is_err());
    }
}
