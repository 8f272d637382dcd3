//! Whether the effect moves by a clock of its own, asked where no static model says what it does.

use crate::audio::{SampleRate, Track};
use crate::progress::{Observer, Task};
use crate::regress::diagnosis::{Diagnosis, Leaves};
use crate::regress::modulation::{self, Moving, PARTS, Part};

/// A static model that leaves less than this is right.
const EXPLAINED: f64 = 0.02;

/// Where wet has no dry sound beside the one that moves, its latency may have been read anywhere in
/// the motion: this much later all of the motion lies behind dry. Seconds.
const LATER: f64 = 0.015;

/// Fits both hypotheses to an aligned pair, where the static ones of the quick models of `diagnosis` leave
/// something to explain. Where a gain of every moment's own explains it, nothing but a gain is tried.
pub(super) fn look(
    dry: Track<'_>,
    wet: Track<'_>,
    rate: SampleRate,
    diagnosis: Option<&Diagnosis>,
    observer: &dyn Observer,
) -> Option<Moving> {
    let leaves = &diagnosis?.leaves;
    let still = least(leaves);
    if still < EXPLAINED {
        return None;
    }
    let only_gain = leaves.filter_then_moving_gain < EXPLAINED;
    let parts: &[Part] = if only_gain { &[Part::Gain] } else { &PARTS };
    let _task = Task::begin(observer, "asking whether the effect moves", None);
    // Standing still, the effect is what the better of all static models makes of it.
    let fitted = |wet: Track<'_>, parts: &[Part]| {
        let moving = modulation::detect(dry, wet, f64::from(rate.hz()), parts)?;
        Some(Moving {
            still: moving.still.min(still),
            ..moving
        })
    };
    // A compressor's gain returns as often as what is played does: a clock must say it better than a gain
    // that follows anything.
    let any_gain = if only_gain {
        leaves.filter_then_moving_gain
    } else {
        f64::INFINITY
    };
    let aligned = fitted(wet, parts).filter(|found| found.moving < any_gain);
    let found = aligned.as_ref().is_some_and(Moving::detected);
    if found || only_gain || observer.stop_requested() {
        return aligned;
    }
    let later = (LATER * f64::from(rate.hz())) as usize;
    let moved = fitted(wet.delayed(later), &[Part::Delay]);
    match moved.filter(Moving::detected) {
        Some(moved) => Some(Moving {
            from: moved.from - LATER,
            to: moved.to - LATER,
            ..moved
        }),
        None => aligned,
    }
}

/// What the best of the static quick models leaves.
fn least(leaves: &Leaves) -> f64 {
    let models = [
        leaves.filter,
        leaves.curve,
        leaves.filter_then_curve,
        leaves.curves_then_filters,
    ];
    let long = leaves.long_filter.unwrap_or(f64::INFINITY);
    models.into_iter().fold(long, f64::min)
}

/// What moves, in words.
pub(super) fn words(moving: &Moving) -> String {
    let often = moving.rate_hz;
    match moving.part {
        Part::AllPass { stages } => format!(
            "{stages} all-pass filters sweep between {:.0} and {:.0} Hz, {often:.2} times a second, as \
             in a phaser",
            moving.from, moving.to
        ),
        Part::Delay => format!(
            "a delay sways by {:.2} ms (from {:.2} to {:.2} ms), {often:.2} times a second, as in a \
             chorus, a flanger or a vibrato",
            1e3 * (moving.to - moving.from),
            1e3 * moving.from,
            1e3 * moving.to
        ),
        Part::Gain => format!("the gain sways {often:.2} times a second, as in a tremolo"),
    }
}
