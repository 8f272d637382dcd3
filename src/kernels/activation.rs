//! The activations of a WaveNet layer on rows of samples: forward in place, and backward from the
//! activation's own output, so that nothing else need be kept.

use super::products::rows::{Rows, RowsMut, each_vector, load, store};
use crate::simd::{Isa, Kernel, Simd, math};

pub use crate::network::Function as Activation;

/// Runs `$run` with `$one` the activation spelled out, so that each loop in it holds one function
/// only. An activation without a fused form has no business here, and does nothing.
macro_rules! spelled_out {
    ($activation:expr, |$one:ident| $run:expr) => {
        match $activation {
            Activation::Tanh => {
                let $one = Activation::Tanh;
                $run
            }
            Activation::Sigmoid => {
                let $one = Activation::Sigmoid;
                $run
            }
            Activation::Relu => {
                let $one = Activation::Relu;
                $run
            }
            Activation::LeakyRelu { slope } => {
                let $one = Activation::LeakyRelu { slope };
                $run
            }
            Activation::HardTanh => {
                let $one = Activation::HardTanh;
                $run
            }
            _ => {
                let $one = Activation::Identity;
                $run
            }
        }
    };
}

pub(super) use spelled_out;

/// The functions of the fused operators ([`Activation::is_fused`]) on vectors.
pub(super) trait OnVectors {
    /// Its value.
    fn apply<S: Simd>(self, s: S, x: S::V) -> S::V;

    /// Its slope where its value is y.
    fn slope<S: Simd>(self, s: S, y: S::V) -> S::V;
}

impl OnVectors for Activation {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::V) -> S::V {
        match self {
            Activation::Tanh => math::tanh(s, x),
            Activation::Sigmoid => math::sigmoid(s, x),
            Activation::Relu => s.max(s.zero(), x),
            Activation::LeakyRelu { slope } => s.select_positive(x, x, s.mul(x, s.splat(slope))),
            Activation::HardTanh => s.max(s.splat(-1.0), s.min(s.splat(1.0), x)),
            _ => x,
        }
    }

    #[inline(always)]
    fn slope<S: Simd>(self, s: S, y: S::V) -> S::V {
        let one = s.splat(1.0);
        match self {
            Activation::Tanh => s.fnma(y, y, one),
            Activation::Sigmoid => s.fnma(y, y, y),
            Activation::Relu => s.select_positive(y, one, s.zero()),
            Activation::LeakyRelu { slope } => s.select_positive(y, one, s.splat(slope)),
            // 1 − |y| is positive inside the limits.
            Activation::HardTanh => {
                let inside = s.sub(one, s.max(y, s.sub(s.zero(), y)));
                s.select_positive(inside, one, s.zero())
            }
            _ => one,
        }
    }
}

/// z → a = activation(z) in place, and head += a.
pub(crate) struct Activate<'a> {
    /// The function.
    pub activation: Activation,
    /// How many rows.
    pub rows: usize,
    /// z, then a.
    pub values: RowsMut<'a>,
    /// Where a is added to.
    pub head: Option<RowsMut<'a>>,
}

impl Activate<'_> {
    /// Computes it.
    pub fn run(mut self, isa: Isa) {
        isa.run(&mut self);
    }
}

/// How far ahead, in floats, rows that lie far away are asked for: about a tile.
const AHEAD: usize = 96;

impl Kernel for &mut Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        spelled_out!(self.activation, |one| self.rows_of(s, one));
    }
}

impl Activate<'_> {
    #[inline(always)]
    fn rows_of<S: Simd>(&mut self, s: S, activation: Activation) {
        for m in 0..self.rows {
            let values = self.values.row(m);
            let (at, len) = (values.as_mut_ptr(), values.len());
            match &mut self.head {
                None => {
                    each_vector!(S, len, |t, part, FULL| {
                        // SAFETY: `t` and `part` stay within the row.
                        unsafe {
                            let a = activation.apply(s, load::<S, FULL>(s, part, at.add(t)));
                            store::<S, FULL>(s, part, at.add(t), a);
                        }
                    });
                }
                Some(head) => {
                    let head = head.row(m);
                    assert_eq!(head.len(), len);
                    let to = head.as_mut_ptr();
                    each_vector!(S, len, |t, part, FULL| {
                        // SAFETY: `t` and `part` stay within both rows.
                        unsafe {
                            let a = activation.apply(s, load::<S, FULL>(s, part, at.add(t)));
                            store::<S, FULL>(s, part, at.add(t), a);
                            s.prefetch(to.wrapping_add(t + AHEAD));
                            let sum = s.add(a, load::<S, FULL>(s, part, to.add(t)));
                            store::<S, FULL>(s, part, to.add(t), sum);
                        }
                    });
                }
            }
        }
    }
}

/// gradient ← gradient · slope, where a is the activation's output.
pub(crate) struct Deactivate<'a> {
    /// The function.
    pub activation: Activation,
    /// Its output, row by row.
    pub values: Rows<'a>,
    /// How many rows.
    pub rows: usize,
    /// The gradient of a, then of z.
    pub gradient: RowsMut<'a>,
}

impl Deactivate<'_> {
    /// Computes it.
    pub fn run(mut self, isa: Isa) {
        isa.run(&mut self);
    }

    #[inline(always)]
    fn rows_of<S: Simd>(&mut self, s: S, activation: Activation) {
        for m in 0..self.rows {
            let gradient = self.gradient.row(m);
            let values = self.values.row(m, 0, gradient.len());
            let (at, from) = (gradient.as_mut_ptr(), values.as_ptr());
            each_vector!(S, gradient.len(), |t, part, FULL| {
                // SAFETY: `t` and `part` stay within both rows.
                unsafe {
                    s.prefetch(from.wrapping_add(t + AHEAD));
                    let slope = activation.slope(s, load::<S, FULL>(s, part, from.add(t)));
                    let g = s.mul(slope, load::<S, FULL>(s, part, at.add(t)));
                    store::<S, FULL>(s, part, at.add(t), g);
                }
            });
        }
    }
}

impl Kernel for &mut Deactivate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        if self.activation != Activation::Identity {
            spelled_out!(self.activation, |one| self.rows_of(s, one));
        }
    }
}

/// product = a · gate, and head += product.
pub(crate) struct Gate<'a> {
    /// How many rows.
    pub rows: usize,
    /// The signal.
    pub values: Rows<'a>,
    /// What opens and closes it, as many rows.
    pub gates: Rows<'a>,
    /// Their product.
    pub product: RowsMut<'a>,
    /// Where it is added to.
    pub head: Option<RowsMut<'a>>,
}

impl Gate<'_> {
    /// Computes it.
    pub fn run(mut self, isa: Isa) {
        isa.run(&mut self);
    }
}

impl Kernel for &mut Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for m in 0..self.rows {
            let product = self.product.row(m);
            let len = product.len();
            let a = self.values.row(m, 0, len).as_ptr();
            let gate = self.gates.row(m, 0, len).as_ptr();
            let at = product.as_mut_ptr();
            each_vector!(S, len, |t, part, FULL| {
                // SAFETY: `t` and `part` stay within the three rows.
                unsafe {
                    let a = load::<S, FULL>(s, part, a.add(t));
                    let gate = load::<S, FULL>(s, part, gate.add(t));
                    store::<S, FULL>(s, part, at.add(t), s.mul(a, gate));
                }
            });
            if let Some(head) = &mut self.head {
                let head = head.row(m);
                assert_eq!(head.len(), len);
                let to = head.as_mut_ptr();
                each_vector!(S, len, |t, part, FULL| {
                    // SAFETY: `t` and `part` stay within both rows.
                    unsafe {
                        let p = load::<S, FULL>(s, part, at.add(t));
                        let sum = s.add(p, load::<S, FULL>(s, part, to.add(t)));
                        store::<S, FULL>(s, part, to.add(t), sum);
                    }
                });
            }
        }
    }
}

/// From the gradient of a · gate, in the first half of `gradient`'s rows, to those of a (there)
/// and gate (in the other half).
pub(crate) struct Ungate<'a> {
    /// How many rows a has.
    pub rows: usize,
    /// a.
    pub values: Rows<'a>,
    /// The gates.
    pub gates: Rows<'a>,
    /// The gradients, twice as many rows.
    pub gradient: RowsMut<'a>,
}

impl Ungate<'_> {
    /// Computes it.
    pub fn run(mut self, isa: Isa) {
        isa.run(&mut self);
    }
}

impl Kernel for &mut Ungate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (mut da, mut dgate) = self.gradient.reborrow().split(self.rows);
        for m in 0..self.rows {
            let (da, dgate) = (da.row(m), dgate.row(m));
            let len = da.len();
            assert_eq!(dgate.len(), len);
            let a = self.values.row(m, 0, len).as_ptr();
            let gate = self.gates.row(m, 0, len).as_ptr();
            let (da, dgate) = (da.as_mut_ptr(), dgate.as_mut_ptr());
            each_vector!(S, len, |t, part, FULL| {
                // SAFETY: `t` and `part` stay within the four rows.
                unsafe {
                    let dp = load::<S, FULL>(s, part, da.add(t));
                    let a = load::<S, FULL>(s, part, a.add(t));
                    let gate = load::<S, FULL>(s, part, gate.add(t));
                    store::<S, FULL>(s, part, da.add(t), s.mul(dp, gate));
                    store::<S, FULL>(s, part, dgate.add(t), s.mul(dp, a));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Activation; 6] = [
        Activation::Identity,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Relu,
        Activation::LeakyRelu { slope: 0.01 },
        Activation::HardTanh,
    ];

    #[test]
    fn values_and_slopes_equal_double_precision() {
        let z: Vec<f32> = (0..37).map(|i| (i as f32 - 18.0) * 0.21 + 0.005).collect();
        for isa in Isa::available() {
            for activation in ALL {
                let mut a = z.clone();
                let mut head = vec![1.0; z.len()];
                Activate {
                    activation,
                    rows: 1,
                    values: RowsMut::new(&mut a, 37, 1, 37),
                    head: Some(RowsMut::new(&mut head, 37, 1, 37)),
                }
                .run(isa);
                let mut slope = vec![2.0; z.len()];
                Deactivate {
                    activation,
                    values: Rows::new(&a, 37),
                    rows: 1,
                    gradient: RowsMut::new(&mut slope, 37, 1, 37),
                }
                .run(isa);
                for (at, &z) in z.iter().enumerate() {
                    let value = activation.value(f64::from(z));
                    // The stated bound of tanh, and the rounding of values below 4.
                    assert!(
                        (f64::from(a[at]) - value).abs() < 1e-6,
                        "{activation:?} {z}"
                    );
                    assert!((f64::from(head[at]) - value - 1.0).abs() < 2e-6);
                    let exact = 2.0 * activation.slope_at(f64::from(a[at])).unwrap();
                    assert!(
                        (f64::from(slope[at]) - exact).abs() < 1e-6,
                        "{activation:?} {z}"
                    );
                }
            }
        }
    }

    #[test]
    fn slopes_are_those_of_the_values() {
        const STEP: f64 = 1e-6;
        for activation in ALL {
            for i in 0..40 {
                let z = (f64::from(i) - 20.0) * 0.17 + 0.01;
                let slope =
                    (activation.value(z + STEP) - activation.value(z - STEP)) / (2.0 * STEP);
                let at = activation.slope_at(activation.value(z)).unwrap();
                assert!(
                    (slope - at).abs() < 1e-6,
                    "{activation:?} at {z}: {at} for {slope}"
                );
            }
        }
    }
}
