//! How much arithmetic a WaveNet is.

use super::geometry::{ArrayGeometry, Geometry};
use super::shape::{ArrayOffsets, LayerArray, WaveNet};

impl WaveNet {
    /// Multiply-adds of a forward pass over one item of `len` samples; a training step has three
    /// times as many (less the gradient of the input).
    pub fn multiply_adds(&self, len: usize) -> u64 {
        let geometry = Geometry::new(self, self.output_len(len));
        let (offsets, _) = self.offsets();
        let arrays = self.arrays.iter().zip(&offsets).zip(&geometry.arrays);
        let total: usize = arrays
            .map(|((array, offsets), at)| self.of_array(array, offsets, &geometry, at))
            .sum();
        total as u64
    }

    fn of_array(
        &self,
        array: &LayerArray,
        offsets: &ArrayOffsets,
        geometry: &Geometry,
        at: &ArrayGeometry,
    ) -> usize {
        let channels = array.channels;
        let entering = channels * offsets.in_channels;
        let mut total = entering * (geometry.end() - at.layers[0].input_start);
        for ((layer, offsets), place) in array.layers.iter().zip(&offsets.layers).zip(&at.layers) {
            let conv = offsets.width * (channels * layer.kernel_size + self.in_channels);
            total += (conv + channels * channels) * (geometry.end() - place.start);
        }
        if at.output.is_none() {
            // Nobody reads the output of the last layer.
            let start = at.layers.last().map_or(0, |place| place.start);
            total -= channels * channels * (geometry.end() - start);
        }
        let head = array.head_channels * channels * array.head_kernel_size;
        total + head * (geometry.end() - at.head_out_start)
    }

    /// Those of [`WaveNet::multiply_adds`] that read the network's input: the first convolution
    /// that enters an array, and the mixers.
    pub fn input_multiply_adds(&self, len: usize) -> u64 {
        let geometry = Geometry::new(self, self.output_len(len));
        let (offsets, _) = self.offsets();
        let mixers = geometry.arrays.iter().zip(&offsets).map(|(at, offsets)| {
            let layers = at.layers.iter().zip(&offsets.layers);
            layers
                .map(|(place, layer)| layer.width * (geometry.end() - place.start))
                .sum::<usize>()
        });
        let entering = self.arrays.first().map_or(0, |array| array.channels);
        (self.in_channels * (mixers.sum::<usize>() + entering * len)) as u64
    }
}
