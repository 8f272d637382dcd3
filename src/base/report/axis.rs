//! Axes of charts: which values they go through, and which of these are marked.
//!
//! Knows nothing of what is measured or where an axis is drawn.

/// One axis: what it says and which values it goes through.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Value at the left or bottom end.
    pub from: f64,
    /// Value at the right or top end.
    pub to: f64,
    /// Equal ratios are equally long (else equal differences); both ends are then above zero.
    pub logarithmic: bool,
    /// Values that are marked, and what stands beside them.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis from `from` to `to` with round tick values.
    pub fn linear(label: &str, from: f64, to: f64) -> Self {
        // An axis needs an extent, even if all values are equal.
        let (from, to) = if to > from {
            (from, to)
        } else {
            (from - 0.5, from + 0.5)
        };
        Self {
            label: label.to_string(),
            from,
            to,
            logarithmic: false,
            ticks: round_ticks(from, to),
        }
    }

    /// A logarithmic axis from `from` to `to`, both above zero, marked at powers of ten, and
    /// between them where these are few.
    pub fn logarithmic(label: &str, from: f64, to: f64) -> Self {
        let from = from.max(f64::MIN_POSITIVE);
        let (from, to) = if to > from * 1.01 {
            (from, to)
        } else {
            (from / 1.5, from * 1.5)
        };
        Self {
            label: label.to_string(),
            from,
            to,
            logarithmic: true,
            ticks: ratio_ticks(from, to),
        }
    }

    /// How far along the axis a value is: 0 at its beginning, 1 at its end.
    pub fn share(&self, value: f64) -> f64 {
        if self.logarithmic {
            return (value / self.from).ln() / (self.to / self.from).ln();
        }
        (value - self.from) / (self.to - self.from)
    }
}

/// Some five round values (1, 2 or 5 times a power of ten apart) within a range.
fn round_ticks(from: f64, to: f64) -> Vec<(f64, String)> {
    let rough = (to - from) / 6.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    let step = step
        .into_iter()
        .find(|s| *s >= rough)
        .unwrap_or(10.0 * power);
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let first = (from / step).ceil() as i64;
    let last = (to / step).floor() as i64;
    (first..=last)
        .map(|i| (i as f64 * step, format!("{:.decimals$}", i as f64 * step)))
        .collect()
}

/// Powers of ten within a range (every other one, every third … of many), and 2 and 5 times
/// them where they are fewer than four.
fn ratio_ticks(from: f64, to: f64) -> Vec<(f64, String)> {
    let (first, last) = (from.log10().floor() as i32, to.log10().ceil() as i32);
    let inside = |value: &f64| (from * 0.999..=to * 1.001).contains(value);
    let decades = (first..=last).map(|p| 10f64.powi(p)).filter(inside).count();
    let multiples: &[f64] = if decades < 4 {
        &[1.0, 2.0, 5.0]
    } else {
        &[1.0]
    };
    let step = decades.div_ceil(6).max(1) as i32;
    (first..=last)
        .filter(|p| p.rem_euclid(step) == 0)
        .flat_map(|p| multiples.iter().map(move |m| m * 10f64.powi(p)))
        .filter(inside)
        .map(|value| (value, short(value)))
        .collect()
}

/// A round value as one writes it on an axis: `0.01`, `200`, `5k`, `1e-7`.
fn short(value: f64) -> String {
    match value {
        v if v < 0.999e-3 => format!("{v:.0e}"),
        v if v < 0.999 => format!("{v:.4}").trim_end_matches('0').to_string(),
        v if v < 999.0 => format!("{v:.0}"),
        v if v < 999e3 => format!("{:.0}k", v / 1e3),
        v => format!("{v:.0e}"),
    }
}

/// A linear axis through all finite values, with a little room at both ends.
pub fn fitting_axis(label: &str, values: impl Iterator<Item = f64>) -> Axis {
    roomy_axis(label, values, 0.04)
}

/// The same with this share of its length as room at either end.
pub fn roomy_axis(label: &str, values: impl Iterator<Item = f64>, share: f64) -> Axis {
    match extent(values) {
        Some((low, high)) => {
            let room = share * (high - low);
            Axis::linear(label, low - room, high + room)
        }
        None => Axis::linear(label, 0.0, 1.0),
    }
}

/// A logarithmic axis through all finite values above zero.
pub fn fitting_log_axis(label: &str, values: impl Iterator<Item = f64>) -> Axis {
    match extent(values.filter(|v| *v > 0.0)) {
        Some((low, high)) => Axis::logarithmic(label, low / 1.15, high * 1.15),
        None => Axis::logarithmic(label, 0.1, 1.0),
    }
}

/// The smallest and the largest finite value.
pub fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.filter(|v| v.is_finite()).fold(None, |found, v| {
        let (low, high) = found.unwrap_or((v, v));
        Some((v.min(low), v.max(high)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        let texts = |from, to| -> Vec<String> {
            Axis::linear("", from, to)
                .ticks
                .into_iter()
                .map(|t| t.1)
                .collect()
        };
        assert_eq!(texts(0.0, 18.0), ["0", "5", "10", "15"]);
        assert_eq!(texts(-0.13, 0.31), ["-0.1", "0.0", "0.1", "0.2", "0.3"]);
        assert_eq!(texts(5.0, 5.0), ["4.6", "4.8", "5.0", "5.2", "5.4"]);
    }

    #[test]
    fn logarithmic_axes_are_marked_at_round_ratios() {
        let texts = |from, to| -> Vec<String> {
            let axis = Axis::logarithmic("", from, to);
            axis.ticks.into_iter().map(|t| t.1).collect()
        };
        let hertz = [
            "20", "50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k",
        ];
        assert_eq!(texts(20.0, 20_000.0), hertz);
        assert_eq!(texts(0.004, 0.03), ["0.005", "0.01", "0.02"]);
        assert_eq!(texts(1e-9, 1.0), ["1e-8", "1e-6", "1e-4", "0.01", "1"]);
        let axis = Axis::logarithmic("", 10.0, 1000.0);
        assert!((axis.share(100.0) - 0.5).abs() < 1e-12);
    }
}
