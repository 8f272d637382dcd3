//! A few of the pairs of `benches/pairs`, whose whole table takes minutes: what belongs together is
//! found where it is, what does not is not trusted.

#[allow(dead_code, reason = "the table prints more than is asserted here")]
#[path = "../../benches/pairs/cases.rs"]
mod cases;
#[path = "../../benches/material.rs"]
mod material;

use cases::{apart, belonging};
use effigy::dsp::align::{AlignOptions, Alignment, TRUSTED_CONFIDENCE, estimate};
use rayon::prelude::*;

fn found(case: &cases::Case) -> Alignment {
    estimate(&case.dry, &case.wet, &AlignOptions::default()).unwrap()
}

#[test]
fn pairs_that_belong_together_are_aligned() {
    [1, 8].par_iter().for_each(|&n| {
        let case = belonging(n);
        let (first, last) = case.lags().unwrap();
        let found = found(&case);
        let line = format!("{}: {first} to {last}, {found:?}", case.name);
        assert!(
            (first - 1..=last).contains(&found.latency_samples),
            "{line}"
        );
        assert!(found.confidence >= TRUSTED_CONFIDENCE, "{line}");
        assert_eq!(found.inverted, case.truth.unwrap().inverted, "{line}");
    });
}

#[test]
fn pairs_that_do_not_are_not_trusted() {
    [1, 2].par_iter().for_each(|&n| {
        let case = apart(n);
        let found = found(&case);
        assert!(
            found.confidence < TRUSTED_CONFIDENCE,
            "{}: {found:?}",
            case.name
        );
    });
}
