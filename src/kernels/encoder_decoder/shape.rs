//! The shape of an encoder–decoder, and its weights and gradients as slices.

use crate::kernels::memory::Buffer;

/// What happens to the hidden signal r = relu(convolution) of channel c before the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Middle {
    /// Nothing: h = r.
    Plain,
    /// h = scale[c] · r + shift[c].
    ScaleShift,
    /// h = relu(scale[c] · r + shift[c]).
    ScaleShiftRelu,
}

/// The network's shape:
/// r[c, t] = relu(b[c] + Σ_k w[c, k] · x[t − left + k]) for t in 0..hidden_len, h as [`Middle`]
/// says, y[t] = d + Σ_c Σ_k v[c, k] · h[c, t + crop_left − k].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncoderDecoder {
    /// Filters, C.
    pub channels: usize,
    /// Taps of an encoder filter.
    pub encoder_kernel_size: usize,
    /// Zeros before x.
    pub left: usize,
    /// Zeros after x.
    pub right: usize,
    /// The middle stage.
    pub middle: Middle,
    /// Taps of a decoder filter.
    pub decoder_kernel_size: usize,
    /// Samples dropped at the start of the decoder's full output.
    pub crop_left: usize,
    /// Samples dropped at its end.
    pub crop_right: usize,
}

/// The weights. A tied decoder passes the encoder's filters twice.
#[derive(Debug, Clone, Copy)]
pub struct FilterSlices<'a> {
    /// w `[channels, encoder_kernel_size]`.
    pub encoder: &'a [f32],
    /// b `[channels]`.
    pub encoder_bias: &'a [f32],
    /// `[channels]`; not read by [`Middle::Plain`], which takes an empty slice too.
    pub scale: &'a [f32],
    /// `[channels]`; as `scale`.
    pub shift: &'a [f32],
    /// v `[channels, decoder_kernel_size]`.
    pub decoder: &'a [f32],
    /// d.
    pub decoder_bias: f32,
}

/// The gradients, shaped like what they are gradients of.
#[derive(Debug, Clone, Default)]
pub struct FilterGradients {
    /// Of x, where asked for.
    pub x: Option<Buffer>,
    /// Of w.
    pub encoder: Vec<f32>,
    /// Of b.
    pub encoder_bias: Vec<f32>,
    /// Of the scale; zeros for [`Middle::Plain`].
    pub scale: Vec<f32>,
    /// Of the shift; zeros for [`Middle::Plain`].
    pub shift: Vec<f32>,
    /// Of v.
    pub decoder: Vec<f32>,
    /// Of d.
    pub decoder_bias: f32,
}

impl EncoderDecoder {
    /// Samples of the hidden signal for `len` samples of x.
    pub fn hidden_len(&self, len: usize) -> usize {
        (len + self.left + self.right).saturating_sub(self.encoder_kernel_size - 1)
    }

    /// Samples of y for `len` samples of x; 0 where the crop takes all.
    pub fn output_len(&self, len: usize) -> usize {
        match self.hidden_len(len) {
            0 => 0,
            hidden => (hidden + self.decoder_kernel_size - 1)
                .saturating_sub(self.crop_left + self.crop_right),
        }
    }

    /// # Panics
    /// A slice of the weights is not as long as the shape says.
    pub(super) fn check(&self, weights: &FilterSlices<'_>) {
        assert_eq!(
            weights.encoder.len(),
            self.channels * self.encoder_kernel_size
        );
        assert_eq!(weights.encoder_bias.len(), self.channels);
        assert_eq!(
            weights.decoder.len(),
            self.channels * self.decoder_kernel_size
        );
        if self.middle != Middle::Plain {
            assert_eq!(weights.scale.len(), self.channels);
            assert_eq!(weights.shift.len(), self.channels);
        }
    }
}
