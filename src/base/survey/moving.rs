//! Whether the effect moves by a clock of its own, asked where no static model says what it does.

use crate::audio::SampleRate;
use crate::progress::{Observer, Task};
use crate::regress::diagnosis::{Diagnosis, Leaves};
use crate::regress::modulation::{self, Moving, Part};

/// A static model that leaves less than this is right.
const EXPLAINED: f64 = 0.02;

/// Where wet has no dry sound beside the one that moves, its latency may have been read anywhere in
/// the motion: this much later all of the motion lies behind dry. Seconds.
const LATER: f64 = 0.015;

/// Fits both hypotheses to an aligned pair, where the quick models of `diagnosis` leave something to
/// explain. `sways`: the gain seems to move by a clock.
pub(super) fn look(
    dry: &[f32],
    wet: &[f32],
    rate: SampleRate,
    (diagnosis, sways): (Option<&Diagnosis>, bool),
    observer: &dyn Observer,
) -> Option<Moving> {
    let least = |leaves: &Leaves| least(leaves, sways);
    if diagnosis.is_none_or(|diagnosis| least(&diagnosis.leaves) < EXPLAINED) {
        return None;
    }
    let _task = Task::begin(observer, "asking whether the effect moves", None);
    let hz = f64::from(rate.hz());
    // Standing still, the effect is what the better of all static models makes of it.
    let against = |moving: Option<Moving>| {
        moving.map(|moving| Moving {
            still: moving
                .still
                .min(diagnosis.map_or(f64::INFINITY, |d| least(&d.leaves))),
            ..moving
        })
    };
    let aligned = against(modulation::detect(dry, wet, hz));
    if aligned.as_ref().is_some_and(Moving::detected) || observer.stop_requested() {
        return aligned;
    }
    let later = (LATER * hz) as usize;
    let mut late = vec![0.0; later];
    late.extend_from_slice(&wet[..wet.len().saturating_sub(later)]);
    let wet = &late[..wet.len().min(late.len())];
    let moved = against(modulation::detect(&dry[..wet.len()], wet, hz));
    match moved {
        Some(moved) if moved.detected() && moved.part == Part::Delay => Some(Moving {
            from: moved.from - LATER,
            to: moved.to - LATER,
            ..moved
        }),
        _ => aligned.or(moved),
    }
}

/// What the best of the quick models leaves: none of them has a clock, but that a gain which follows
/// anything follows one, too.
fn least(leaves: &Leaves, sways: bool) -> f64 {
    let models = [
        leaves.filter,
        leaves.curve,
        leaves.filter_then_curve,
        leaves.curves_then_filters,
        match sways {
            true => f64::INFINITY,
            false => leaves.filter_then_moving_gain,
        },
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
