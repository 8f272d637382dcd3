//! A WaveNet on a batch: its tasks side by side, their gradients added up.

use rayon::prelude::*;

use super::cut::{Cut, Task};
use super::pass::Pass;
use super::shape::WaveNet;
use crate::kernels::memory::Buffer;
use crate::kernels::partition::add_parts;
use crate::kernels::products::rows::Shared;
use crate::simd::Isa;

impl WaveNet {
    /// y `[batch, out_channels, output_len]` of x `[batch, in_channels, len]`. With `keep`, what
    /// the backward pass needs is returned, else an empty buffer.
    ///
    /// # Panics
    /// A slice's length does not fit, or [`WaveNet::problem`] has one.
    pub fn forward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &[f32],
        y: &mut [f32],
        keep: bool,
    ) -> Buffer {
        let pass = Pass::new(self, isa, weights);
        let cut = Cut::new(self, batch, x.len());
        assert_eq!(y.len(), batch * self.out_channels() * cut.out_len);
        let size = cut.geometry.size();
        let mut kept = Buffer::new(if keep { cut.tasks.len() * size } else { 0 });
        let y = Shared::new(y);
        let run = |task: &Task, memory: &mut [f32]| {
            let geometry = cut.geometry_of(task);
            let x = &x[task.item * self.in_channels * cut.len..][..self.in_channels * cut.len];
            let from = task.item * self.out_channels() * cut.out_len + task.from;
            // SAFETY: each task writes its own samples of its item.
            let y = unsafe { y.rows(from, cut.out_len, self.out_channels(), task.count) };
            pass.forward(geometry, &x[task.from..], cut.len, memory, y);
        };
        if keep {
            cut.tasks
                .par_iter()
                .zip(kept.par_chunks_exact_mut(size))
                .for_each(|(task, memory)| run(task, memory));
        } else {
            cut.tasks.par_iter().for_each(|task| run(task, &mut []));
        }
        kept
    }

    /// y as [`WaveNet::forward`] gives it, for those who want no gradient.
    ///
    /// # Panics
    /// As there.
    pub fn predict(&self, isa: Isa, batch: usize, x: &[f32], weights: &[f32], y: &mut [f32]) {
        self.forward(isa, batch, x, weights, y, false);
    }

    /// The gradients of the weights and, if `want_x`, of x, for dy.
    ///
    /// # Panics
    /// A slice's length does not fit, or `kept` is not this input's.
    #[expect(
        clippy::too_many_arguments,
        reason = "plain slices, each a tensor of the formula"
    )]
    pub fn backward(
        &self,
        isa: Isa,
        batch: usize,
        x: &[f32],
        weights: &[f32],
        kept: &[f32],
        dy: &[f32],
        want_x: bool,
    ) -> (Vec<f32>, Option<Vec<f32>>) {
        let pass = Pass::new(self, isa, weights);
        let cut = Cut::new(self, batch, x.len());
        let size = cut.geometry.size();
        assert_eq!(dy.len(), batch * self.out_channels() * cut.out_len);
        assert_eq!(kept.len(), cut.tasks.len() * size);
        let parts: Vec<(Vec<f32>, Vec<f32>)> = cut
            .tasks
            .par_iter()
            .zip(kept.par_chunks_exact(size))
            .map(|(task, memory)| {
                let geometry = cut.geometry_of(task);
                let (ins, outs) = (self.in_channels, self.out_channels());
                let x = &x[task.item * ins * cut.len + task.from..];
                let dy = &dy[task.item * outs * cut.out_len + task.from..];
                pass.backward(geometry, (x, cut.len), memory, (dy, cut.out_len), want_x)
            })
            .collect();
        let (parts, inputs): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let mut total = vec![0.0; weights.len()];
        add_parts(&parts, &mut total);
        let dx = want_x.then(|| {
            let mut dx = vec![0.0; x.len()];
            for (task, part) in cut.tasks.iter().zip(&inputs) {
                let len = part.len() / self.in_channels;
                for (channel, part) in part.chunks_exact(len).enumerate() {
                    let row = task.item * self.in_channels + channel;
                    let dx = &mut dx[row * cut.len + task.from..][..len];
                    dx.iter_mut().zip(part).for_each(|(dx, part)| *dx += part);
                }
            }
            dx
        });
        (total, dx)
    }
}
