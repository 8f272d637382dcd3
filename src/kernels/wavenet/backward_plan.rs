//! Where the gradients of a task and their running sums lie, and the way from those sums to the
//! gradients of the weights.

use super::geometry::Geometry;
use super::pass::Pass;
use super::shape::{ArrayOffsets, Layer, LayerOffsets};
use super::window::{Window, row_stride};

/// Where gradients and their sums lie in a task's working memory.
pub struct Plan {
    pub arrays: Vec<ArrayPlan>,
    /// Floats of all windows.
    pub windows: usize,
    /// Floats of all running sums.
    pub sums: usize,
    /// Distance between the rows of the network's input.
    pub condition: usize,
    /// Floats of a segment of the most channels there are.
    pub rows: usize,
}

pub struct ArrayPlan {
    /// The gradient of the head convolution's output.
    pub head: Window,
    /// Of each layer.
    pub layers: Vec<LayerPlan>,
    /// Running sums of the head's weights (channel, output, k) and bias.
    pub head_sums: usize,
    pub head_bias_sums: usize,
    /// Of the entering convolution's.
    pub rechannel_sums: usize,
}

pub struct LayerPlan {
    /// The gradient of the convolution's output.
    pub dz: Window,
    /// Running sums of the convolution's weights (channel, output, k), of the mixer's and the
    /// bias (output, input or 1), of the 1×1's, and of its bias.
    pub conv_sums: usize,
    pub mixer_sums: usize,
    pub one_by_one_sums: usize,
    pub one_by_one_bias_sums: usize,
}

/// Hands out places one after the other.
struct Places<'a> {
    geometry: &'a Geometry,
    windows: usize,
    sums: usize,
}

impl Places<'_> {
    fn window(&mut self, rows: usize, context: usize) -> Window {
        let window = Window::backward(self.windows, rows, context, self.geometry.segment);
        self.windows += window.size();
        window
    }

    fn sums(&mut self, rows: usize, taps: usize) -> usize {
        self.sums += rows * taps;
        self.sums - rows * taps
    }
}

impl Plan {
    pub fn new(pass: &Pass<'_>, geometry: &Geometry) -> Plan {
        let mut places = Places {
            geometry,
            windows: 0,
            sums: 0,
        };
        let ins = pass.net.in_channels;
        let mut arrays = Vec::with_capacity(pass.net.arrays.len());
        let mut most = ins;
        for (array, offsets) in pass.net.arrays.iter().zip(&pass.offsets) {
            let (channels, outs) = (array.channels, array.head_channels);
            most = most.max(channels).max(outs);
            let layer = |(layer, at): (&Layer, &LayerOffsets)| LayerPlan {
                dz: places.window(at.width, layer.context()),
                conv_sums: places.sums(channels, at.width * layer.kernel_size),
                mixer_sums: places.sums(at.width, ins + 1),
                one_by_one_sums: places.sums(channels, channels),
                one_by_one_bias_sums: places.sums(channels, 1),
            };
            let layers = array
                .layers
                .iter()
                .zip(&offsets.layers)
                .map(layer)
                .collect();
            arrays.push(ArrayPlan {
                layers,
                head: places.window(outs, array.head_kernel_size - 1),
                head_sums: places.sums(channels, outs * array.head_kernel_size),
                head_bias_sums: places.sums(outs, 1),
                rechannel_sums: places.sums(channels, offsets.in_channels),
            });
        }
        Plan {
            arrays,
            windows: places.windows,
            sums: places.sums,
            condition: row_stride(geometry.end()),
            rows: most * geometry.segment,
        }
    }

    /// All windows.
    pub fn windows_mut(&mut self) -> impl Iterator<Item = &mut Window> {
        self.arrays.iter_mut().flat_map(|array| {
            let layers = array.layers.iter_mut().map(|layer| &mut layer.dz);
            layers.chain([&mut array.head])
        })
    }

    /// The weights' gradients from their sums.
    pub fn gradients(&self, pass: &Pass<'_>, sums: &[f32], gradients: &mut [f32]) {
        let ins = pass.net.in_channels;
        // `rows` × `taps` sums from `at` on, given to `put` one by one.
        let each = |at: usize, rows: usize, taps: usize, put: &mut dyn FnMut(usize, usize, f32)| {
            let sums = sums[at..][..rows * taps].iter();
            for (at, &sum) in sums.enumerate() {
                put(at / taps, at % taps, sum);
            }
        };
        for (array, plan) in self.arrays.iter().enumerate() {
            let shape = &pass.net.arrays[array];
            let at: &ArrayOffsets = &pass.offsets[array];
            let (channels, outs, kernel) =
                (shape.channels, shape.head_channels, shape.head_kernel_size);
            let scale = pass.weights[array].scale;
            each(
                plan.rechannel_sums,
                channels,
                at.in_channels,
                &mut |m, j, g| {
                    gradients[at.rechannel + m * at.in_channels + j] = g;
                },
            );
            each(plan.head_sums, channels, outs * kernel, &mut |i, j, g| {
                let (o, k) = (j / kernel, j % kernel);
                gradients[at.head + (o * channels + i) * kernel + k] = scale * g;
            });
            if let Some(bias) = at.head_bias {
                each(plan.head_bias_sums, outs, 1, &mut |o, _, g| {
                    gradients[bias + o] = scale * g;
                });
            }
            for ((layer, at), plan) in shape.layers.iter().zip(&at.layers).zip(&plan.layers) {
                let (width, kernel) = (at.width, layer.kernel_size);
                each(plan.conv_sums, channels, width * kernel, &mut |i, j, g| {
                    let (m, k) = (j / kernel, j % kernel);
                    gradients[at.conv + (m * channels + i) * kernel + k] = g;
                });
                each(
                    plan.mixer_sums,
                    width,
                    ins + 1,
                    &mut |m, j, g| match j == ins {
                        true => gradients[at.bias + m] = g,
                        false => gradients[at.mixer + m * ins + j] = g,
                    },
                );
                each(plan.one_by_one_sums, channels, channels, &mut |m, j, g| {
                    gradients[at.one_by_one + m * channels + j] = g;
                });
                each(plan.one_by_one_bias_sums, channels, 1, &mut |m, _, g| {
                    gradients[at.one_by_one_bias + m] = g;
                });
            }
        }
    }
}
