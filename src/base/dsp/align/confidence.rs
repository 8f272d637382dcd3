//! From what was measured to the probability that a latency is right: on the sample or one early.
//!
//! Logistic regression over pairs of known truth, half of which do not belong together
//! (`benches/pairs features`); its curve is in `benches/pairs/README.md`.

/// Below this confidence a latency should not be used unseen: it is more likely wrong than right.
pub const TRUSTED_CONFIDENCE: f64 = 0.3;

/// What the probability is read from.
#[derive(Clone, Copy, Debug)]
pub struct Evidence {
    /// How far wet follows dry throughout, in standard deviations of chance.
    pub strength: f64,
    /// The largest swing of the response in multiples of the noise floor.
    pub significance: f64,
    /// Samples that the response spreads over.
    pub width: f64,
    /// Share of the views, by their clarity, that say the same.
    pub agreement: f64,
    /// How far the dry sound repeats itself: 0 ..= 1.
    pub repetition: f64,
    /// Whether dry and wet go together in little of the spectrum and not as through a filter, or
    /// nowhere: then the place may be known, and the sample is as sure as the response is narrow.
    pub blurred: bool,
    /// Whether the clocks differ: then the lag is nowhere the same for long.
    pub slides: bool,
    /// Whether the phases do not confirm the onset that was read in the response.
    pub unconfirmed: bool,
}

/// Factor where the clocks differ: of eleven such pairs, each as sure as can be, four had the least of
/// their lags on the sample.
const SLIDES: f64 = 0.3;

/// Factor where the phases do not confirm the onset: of eleven such pairs, as sure as can be otherwise,
/// two were right.
const UNCONFIRMED: f64 = 0.3;

/// Weight of each figure, and the constant.
const STRENGTH: f64 = 0.41;
const SIGNIFICANCE: f64 = 0.9;
const WIDTH: f64 = -0.55;
const BLURRED_WIDTH: f64 = -1.5;
const AGREEMENT: f64 = 0.24;
const CONSTANT: f64 = -7.6;

impl Evidence {
    /// 0 ..= 1. A held note fits at every period, and then all figures agree on the wrong one: from a
    /// repetition of 0.7 on nothing is as sure as it looks, from 0.95 on nothing is sure.
    pub fn probability(&self) -> f64 {
        let width = WIDTH + if self.blurred { BLURRED_WIDTH } else { 0.0 };
        let sum = CONSTANT
            + STRENGTH * self.strength.clamp(4.0, 16.0)
            + SIGNIFICANCE * self.significance.clamp(4.0, 100.0).ln()
            + width * self.width.clamp(1.0, 30.0).ln()
            + AGREEMENT * self.agreement;
        let variety = ((self.repetition - 0.95) / (0.7 - 0.95)).clamp(0.0, 1.0);
        let lasting = if self.slides { SLIDES } else { 1.0 };
        let confirmed = if self.unconfirmed { UNCONFIRMED } else { 1.0 };
        confirmed * lasting * variety / (1.0 + (-sum).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_response_is_sure_and_chance_is_not() {
        let clear = Evidence {
            strength: 20.0,
            significance: 300.0,
            width: 1.5,
            agreement: 1.0,
            repetition: 0.5,
            blurred: false,
            slides: false,
            unconfirmed: false,
        };
        assert!(clear.probability() > 0.85);
        let chance = Evidence {
            strength: 5.0,
            significance: 12.0,
            width: 8.0,
            ..clear
        };
        assert!(chance.probability() < 0.15);
        let unconfirmed = Evidence {
            unconfirmed: true,
            ..clear
        };
        assert!(unconfirmed.probability() < TRUSTED_CONFIDENCE);
        assert_eq!(
            Evidence {
                repetition: 0.97,
                ..clear
            }
            .probability(),
            0.0
        );
    }
}
