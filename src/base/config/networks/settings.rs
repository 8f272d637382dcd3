//! What every network's settings are asked. Knows no network; [`super::ModelConfig`] passes each
//! question on to its network's settings.

use crate::config::{ConfigError, WindowConfig};

/// The product of sizes, the largest number where it is larger.
pub(super) fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1, |all, size| all.saturating_mul(*size))
}

/// The sum of sizes, likewise.
pub(super) fn sum(sizes: impl IntoIterator<Item = usize>) -> usize {
    sizes.into_iter().fold(0, usize::saturating_add)
}

/// The settings of one kind of network: sizes and first values, as the `[model]` table has them.
pub trait NetworkConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`ConfigError::Value`] names the first key that is out of range.
    fn check(&self, windows: &WindowConfig) -> Result<(), ConfigError>;

    /// How many weights its sizes ask for, to within the small parts: what bounds memory. No
    /// product may overflow ([`product`]).
    fn weights(&self, windows: &WindowConfig) -> usize;

    /// Whether this network can be told where knobs stand.
    fn takes_controls(&self) -> bool;

    /// Whether this network can hear and make both sides of a stereo effect at once.
    fn takes_stereo(&self) -> bool {
        true
    }

    /// Channels of the first layers, units of a recurrent network.
    fn width(&self) -> usize;

    /// The same network of another width.
    fn set_width(&mut self, width: usize);

    /// Whether this network carries a state from one sample to the next. Such a network has
    /// [`NetworkConfig::warm_up`].
    fn has_memory(&self) -> bool {
        false
    }

    /// Samples before a window that only fill the memory.
    fn warm_up(&mut self) -> Option<&mut usize> {
        None
    }

    /// Samples after which gradients stop flowing back, where they do.
    fn truncate(&mut self) -> Option<&mut usize> {
        None
    }

    /// Whether this network answers whole windows only, of one even length.
    fn has_fixed_window(&self) -> bool {
        false
    }

    /// The output's factor that is not learned, where there is one and it is written down.
    fn output_scale(&self) -> Option<f32> {
        None
    }

    /// Takes over the factor of the network whose weights are to be loaded, where the config
    /// leaves it open.
    fn take_output_scale(&mut self, _scale: Option<f32>) {}

    /// Scales first predictions by `factor`, where the output has a factor that is not learned
    /// and the config leaves it open.
    fn scale_output(&mut self, _factor: f32) {}

    /// Windows per step, and output samples of each, by which its speed is measured.
    fn benchmark(&self) -> (usize, usize) {
        (16, 8192)
    }
}
