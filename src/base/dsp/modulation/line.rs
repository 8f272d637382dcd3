//! A delay line read between its samples: a cubic through the four around, and that cubic's slope.
//! Several signals may lie beside each other in it.

/// Rows of `width` values, one per sample.
#[derive(Clone, Debug)]
pub(super) struct Line {
    values: Vec<f64>,
    width: usize,
    mask: usize,
}

/// Four neighbours, the youngest first, by age, and what each counts for.
pub(super) struct Between {
    first: usize,
    pub(super) weights: [f64; 4],
    /// How the weights change with the delay.
    slopes: [f64; 4],
}

impl Between {
    /// `delay` samples ago, 0 or more. Newer than a sample ago the line is straight.
    pub(super) fn at(delay: f64) -> Self {
        let whole = delay as usize;
        let f = delay - whole as f64;
        if whole < 1 {
            return Self {
                first: 0,
                weights: [1.0 - f, f, 0.0, 0.0],
                slopes: [-1.0, 1.0, 0.0, 0.0],
            };
        }
        let (up, down, far) = (f + 1.0, f - 1.0, f - 2.0);
        Self {
            first: whole - 1,
            weights: [
                -f * down * far / 6.0,
                up * down * far / 2.0,
                -up * f * far / 2.0,
                up * f * down / 6.0,
            ],
            slopes: [
                -(down * far + f * far + f * down) / 6.0,
                (down * far + up * far + up * down) / 2.0,
                -(f * far + up * far + up * f) / 2.0,
                (f * down + up * down + up * f) / 6.0,
            ],
        }
    }
}

impl Line {
    /// Silence; reads reach back at least so many samples.
    pub(super) fn new(longest: usize, width: usize) -> Self {
        let len = (longest + 4).next_power_of_two();
        Self {
            values: vec![0.0; len * width],
            width,
            mask: len - 1,
        }
    }

    fn row(&self, now: u64, age: usize) -> usize {
        ((now as usize).wrapping_sub(age) & self.mask) * self.width
    }

    /// Writes the first signal's present sample.
    pub(super) fn write(&mut self, now: u64, value: f64) {
        let at = self.row(now, 0);
        self.values[at] = value;
    }

    /// The row of present samples.
    pub(super) fn present(&mut self, now: u64) -> &mut [f64] {
        let at = self.row(now, 0);
        &mut self.values[at..at + self.width]
    }

    /// The first signal, and how it changes with the delay.
    pub(super) fn read(&self, now: u64, between: &Between) -> (f64, f64) {
        let (mut value, mut slope) = (0.0, 0.0);
        for i in 0..4 {
            let x = self.values[self.row(now, between.first + i)];
            value += between.weights[i] * x;
            slope += between.slopes[i] * x;
        }
        (value, slope)
    }

    /// All signals, times `factor`, added to `out`.
    pub(super) fn add(&self, now: u64, between: &Between, factor: f64, out: &mut [f64]) {
        for i in 0..4 {
            let at = self.row(now, between.first + i);
            let weight = factor * between.weights[i];
            for (out, x) in out.iter_mut().zip(&self.values[at..at + self.width]) {
                *out += weight * x;
            }
        }
    }

    /// Silence again.
    pub(super) fn clear(&mut self) {
        self.values.fill(0.0);
    }

    /// The samples, the present one last.
    pub(super) fn save(&self, now: u64) -> impl Iterator<Item = f64> {
        let ages = (0..=self.mask).rev();
        ages.map(move |age| self.values[self.row(now, age)])
    }

    /// The samples as [`Line::save`] gives them; how many.
    pub(super) fn load(&mut self, now: u64, values: &[f64]) -> usize {
        let len = self.mask + 1;
        for (i, value) in values.iter().take(len).enumerate() {
            let at = self.row(now, len - 1 - i);
            self.values[at] = *value;
        }
        len
    }
}
