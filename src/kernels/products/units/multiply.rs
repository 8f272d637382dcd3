//! Back from the gates' gradients to those of h or x.

use super::groups::each_group;
use super::lines::{Line, lines};
use crate::kernels::memory::{LINE, padded};
use crate::simd::{Kernel, Simd};

/// The weights back from the gates: `[line][gate][unit of the line][output]`, outputs padded.
pub(crate) struct BackWeights {
    units: usize,
    gates: usize,
    outputs: usize,
    width: usize,
    values: Vec<Line>,
}

impl BackWeights {
    /// With `weight(gate, unit, output)`.
    pub fn new(
        [units, gates, outputs]: [usize; 3],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> BackWeights {
        let width = padded(outputs);
        let across = width / LINE;
        let values = lines(padded(units) * gates * across, |at, lane| {
            let (at, output) = (at / across, at % across * LINE + lane);
            let (at, unit) = (at / LINE, at % LINE);
            let (gate, unit) = (at % gates, at / gates * LINE + unit);
            match unit < units && output < outputs {
                true => weight(gate, unit, output),
                false => 0.0,
            }
        });
        BackWeights {
            units,
            gates,
            outputs,
            width,
            values,
        }
    }

    /// Floats of an output row.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// output[row] (+)= Σ input[row][line][gate][unit] · weights[line][gate][unit].
pub(crate) struct Multiply<'a> {
    /// The weights.
    pub weights: &'a BackWeights,
    /// Of each row, lines of `pitch` floats with the gates' gradients first.
    pub input: &'a [f32],
    /// Floats from line to line.
    pub pitch: usize,
    /// Floats from row to row.
    pub input_stride: usize,
    /// Rows as wide as the weights; of their padding what a vector does not reach stays as it is.
    pub output: &'a mut [f32],
    /// How many rows.
    pub rows: usize,
    /// Whether to add to what the output holds.
    pub add: bool,
}

impl Kernel for &mut Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.rows == 0 {
            return;
        }
        let lines = self.weights.units.div_ceil(LINE);
        let row = (lines - 1) * self.pitch + self.weights.gates * LINE;
        assert!(self.input.len() >= (self.rows - 1) * self.input_stride + row);
        assert!(self.output.len() >= self.rows * self.weights.width);
        let vectors = self.weights.outputs.div_ceil(S::LANES);
        // Twelve sums, the weights and an input would just fill 16 registers, and spill.
        let tiles = vectors.div_ceil(if S::REGISTERS >= 32 { 3 } else { 2 });
        each_group!(4, self.rows, |row, G| {
            let mut at = 0;
            for tile in 0..tiles {
                let width = (vectors - at).div_ceil(tiles - tile);
                let column = at * S::LANES;
                // SAFETY: the lengths were checked above; the group's rows are rows, the vectors
                // lie within the width.
                unsafe {
                    match width {
                        3 => multiply_tile::<S, G, 3>(s, self, row, column),
                        2 => multiply_tile::<S, G, 2>(s, self, row, column),
                        _ => multiply_tile::<S, G, 1>(s, self, row, column),
                    }
                }
                at += width;
            }
        });
    }
}

/// `G` rows from `row` on, `V` vectors from `column` on.
///
/// # Safety
/// `task`'s slices are as long as its fields say; the rows and columns exist.
#[inline(always)]
unsafe fn multiply_tile<S: Simd, const G: usize, const V: usize>(
    s: S,
    task: &mut Multiply<'_>,
    row: usize,
    column: usize,
) {
    let BackWeights {
        units,
        gates,
        width,
        ..
    } = *task.weights;
    // With registers to spare even and odd units are summed apart: with half as many sums each
    // multiply-add would wait for the one before.
    let apart = usize::from(S::REGISTERS >= 32 || V == 1);
    // SAFETY: the caller's promise. The odd unit behind the last lies in the padding.
    unsafe {
        let output = task.output.as_mut_ptr().add(row * width + column);
        let mut sums = [[[s.zero(); V]; G]; 2];
        if task.add {
            for g in 0..G {
                for v in 0..V {
                    sums[0][g][v] = s.load_ptr(output.add(g * width + v * S::LANES));
                }
            }
        }
        let weights = task.weights.values.as_ptr().cast::<f32>().add(column);
        let input = task.input.as_ptr().add(row * task.input_stride);
        for line in 0..units.div_ceil(LINE) {
            let lanes = LINE.min(units - line * LINE);
            for gate in 0..gates {
                let mut weights = weights.add((line * gates + gate) * LINE * width);
                let input = input.add(line * task.pitch + gate * LINE);
                for lane in (0..lanes).step_by(2) {
                    for odd in 0..2 {
                        let mut w = [s.zero(); V];
                        for v in 0..V {
                            w[v] = s.load_ptr(weights.add(v * S::LANES));
                        }
                        let sums = &mut sums[odd * apart];
                        for g in 0..G {
                            let d = s.splat(*input.add(g * task.input_stride + lane + odd));
                            for v in 0..V {
                                sums[g][v] = s.fma(d, w[v], sums[g][v]);
                            }
                        }
                        weights = weights.wrapping_add(width);
                    }
                }
            }
        }
        for g in 0..G {
            for v in 0..V {
                let sum = s.add(sums[0][g][v], sums[1][g][v]);
                s.store_ptr(output.add(g * width + v * S::LANES), sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{SHAPES, close, each, number};
    use super::*;
    use crate::simd::Isa;

    #[test]
    fn products_back_equal_their_sums_written_out() {
        for ([rows, outputs, units], gates) in SHAPES.into_iter().flat_map(|s| [(s, 3), (s, 4)]) {
            let weight = |gate: usize, unit: usize, out: usize| number(gate * 31 + unit * 3 + out);
            let weights = BackWeights::new([units, gates, outputs], weight);
            let (pitch, width) = (5 * LINE, weights.width());
            let stride = units.div_ceil(LINE) * pitch;
            let at = |row: usize, gate: usize, unit: usize| {
                row * stride + unit / LINE * pitch + gate * LINE + unit % LINE
            };
            let mut input = vec![0.0; rows * stride];
            for (row, gate, unit) in each([rows, gates, units]) {
                input[at(row, gate, unit)] = number(row + gate * 5 + unit * 11);
            }
            for (isa, add) in Isa::available()
                .into_iter()
                .flat_map(|i| [(i, true), (i, false)])
            {
                let mut output = vec![1.0; rows * width];
                isa.run(&mut Multiply {
                    weights: &weights,
                    input: &input,
                    pitch,
                    input_stride: stride,
                    output: &mut output,
                    rows,
                    add,
                });
                for (row, out) in (0..rows).flat_map(|row| (0..outputs).map(move |out| (row, out)))
                {
                    let products = each([1, gates, units]).map(|(_, gate, unit)| {
                        f64::from(input[at(row, gate, unit)]) * f64::from(weight(gate, unit, out))
                    });
                    let exact = f64::from(u8::from(add)) + products.sum::<f64>();
                    let what = format!("{isa} {rows} {outputs} {units} {gates} [{row}, {out}]");
                    close(&what, output[row * width + out], exact, gates * units);
                }
            }
        }
    }
}
