//! The flat list of weights of a `.nam` file, taken piece by piece in file order.

use crate::formats::error::{FormatError, field};
use crate::network::Conv1d;

/// The list, and how far it was taken.
pub(super) struct Weights<'a> {
    all: &'a [f32],
    at: usize,
}

impl<'a> Weights<'a> {
    pub(super) fn new(all: &'a [f32]) -> Self {
        Self { all, at: 0 }
    }

    /// The next `product of counts` weights.
    pub(super) fn take(&mut self, counts: &[usize]) -> Result<Vec<f32>, FormatError> {
        let n = counts.iter().try_fold(1usize, |n, c| n.checked_mul(*c));
        let end = n.and_then(|n| self.at.checked_add(n));
        let Some(taken) = end.and_then(|end| self.all.get(self.at..end)) else {
            let needs = end.map_or("more than can be".into(), |end| format!("at least {end}"));
            return Err(FormatError::WeightCount {
                got: self.all.len(),
                needs,
            });
        };
        self.at += taken.len();
        Ok(taken.to_vec())
    }

    /// The next weight.
    pub(super) fn one(&mut self) -> Result<f32, FormatError> {
        self.take(&[1]).map(|w| w[0])
    }

    /// A convolution in file order: weight `[out][in / groups][k]`, then bias.
    pub(super) fn conv(
        &mut self,
        [in_channels, out_channels]: [usize; 2],
        [kernel_size, dilation, groups]: [usize; 3],
        bias: bool,
    ) -> Result<Conv1d, FormatError> {
        let Some(inner) = in_channels.checked_div(groups) else {
            return Err(field("groups", "is 0; it must be at least 1"));
        };
        Ok(Conv1d {
            in_channels,
            out_channels,
            kernel_size,
            dilation,
            groups,
            weight: self.take(&[out_channels, inner, kernel_size])?,
            bias: self.take(&[if bias { out_channels } else { 0 }])?,
        })
    }

    /// Refuses weights that nothing took.
    pub(super) fn finish(self) -> Result<(), FormatError> {
        if self.at == self.all.len() {
            return Ok(());
        }
        Err(FormatError::WeightCount {
            got: self.all.len(),
            needs: self.at.to_string(),
        })
    }
}
