//! From the continuous system to the scan's coefficients, in the tensor library's operators: few numbers,
//! once a pass. A card makes them inside its kernels.

use burn::tensor::Tensor;
use burn::tensor::activation::softplus;

use super::tensors::ScanWeights;

/// Real and imaginary part.
#[derive(Debug, Clone)]
pub struct Complex<const D: usize> {
    /// The real part.
    pub re: Tensor<D>,
    /// The imaginary part.
    pub im: Tensor<D>,
}

impl<const D: usize> Complex<D> {
    /// Their product.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        Self {
            re: self.re.clone() * other.re.clone() - self.im.clone() * other.im.clone(),
            im: self.re * other.im + self.im * other.re,
        }
    }
}

/// e^(exponent · log), element by element.
pub fn power<const D: usize>(log: Complex<D>, exponent: f32) -> Complex<D> {
    let size = (log.re * exponent).exp();
    let angle = log.im * exponent;
    Complex {
        re: size.clone() * angle.clone().cos(),
        im: size * angle.sin(),
    }
}

/// A system whose input is held over each sample.
#[derive(Debug, Clone)]
pub struct Held {
    /// ln a: `[rows, states]`. High powers of a come of it.
    pub log: Complex<2>,
    /// c: `[rows, states]`.
    pub output: Complex<2>,
}

impl ScanWeights {
    /// The coefficients that they come to.
    pub fn held(&self) -> Held {
        let step = self.log_step.clone().exp().reshape([-1, 1]);
        let a = Complex {
            re: -softplus(self.decay.clone(), 1.0),
            im: self.frequency.clone(),
        };
        let log_pole = Complex {
            re: a.re.clone() * step.clone(),
            im: a.im.clone() * step,
        };
        let pole = power(log_pole.clone(), 1.0);
        let size = a.re.clone().square() + a.im.clone().square();
        let held = Complex {
            re: pole.re - 1.0,
            im: pole.im,
        };
        let over_a = held.times(Complex {
            re: a.re / size.clone(),
            im: -a.im / size,
        });
        let output = Complex {
            re: self.output_re.clone() * 2.0,
            im: self.output_im.clone() * 2.0,
        };
        let held = Held {
            log: log_pole,
            output: output.times(over_a),
        };
        match held.log.re.dims()[0] == self.rows() {
            true => held,
            false => held.in_rows(self.rows()),
        }
    }
}

impl Held {
    fn in_rows(self, rows: usize) -> Self {
        let rows = |x: Complex<2>| Complex {
            re: x.re.reshape([rows as i64, -1]),
            im: x.im.reshape([rows as i64, -1]),
        };
        Self {
            log: rows(self.log),
            output: rows(self.output),
        }
    }

    /// a: `[rows, states]`.
    pub fn pole(&self) -> Complex<2> {
        power(self.log.clone(), 1.0)
    }
}
