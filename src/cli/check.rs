//! `effigy check`.

use super::Status;
use super::ui::Ui;
use crate::commands::check::{self, Outcome, Request, Side};
use crate::regress::diagnosis::{Diagnosis, FILTER_TAPS, Kind};
use crate::report::table::{Table, figure};
use crate::survey::{LatencyFacts, Sides};

/// Prints what was found; code 1 when the pair is unfit.
///
/// # Errors
/// A file that cannot be decoded, Ctrl-C.
pub fn run(request: &Request, ui: &Ui) -> anyhow::Result<Status> {
    let outcome = check::check(request, ui)?;
    ui.report(&outcome, prose)?;
    Ok(if outcome.fit {
        Status::Done
    } else {
        Status::CriterionMissed
    })
}

fn prose(outcome: &Outcome) -> String {
    let mut lines = vec![
        line("dry", &side(&outcome.dry)),
        line("wet", &side(&outcome.wet)),
    ];
    if let Some(levels) = &outcome.dry.levels {
        let text = format!("dry covers {levels}; what is played softer or louder is guessed");
        lines.push(line("levels", &text));
    }
    if let Some(latency) = &outcome.latency {
        lines.push(line("latency", &latency_words(latency)));
    }
    if let Some(db) = outcome.gain_db {
        lines.push(line("level", &format!("wet is {db:+.1} dB against dry")));
    }
    if outcome.latency.is_some() {
        let noise = outcome.noise_db.map_or_else(
            || "unknown: dry is never silent for a quarter of a second".to_string(),
            |db| match db {
                f64::NEG_INFINITY => {
                    "none: where dry is silent, wet is digitally silent".to_string()
                }
                db => format!("{:.0} dB below the wet sound, where dry is silent", -db),
            },
        );
        lines.push(line("noise", &noise));
        lines.push(line("clocks", &clocks(outcome)));
        lines.push(line("movement", &movement(outcome)));
        lines.extend(
            outcome
                .sides
                .as_ref()
                .map(|sides| line("sides", &sides_words(sides))),
        );
    }
    if let Some(diagnosis) = &outcome.diagnosis {
        lines.push(line("kind", &kind_words(outcome, diagnosis)));
        lines.push(String::new());
        lines.push(models(diagnosis));
    }
    for problem in &outcome.problems {
        lines.push(format!("problem: {problem}"));
    }
    for caution in &outcome.cautions {
        lines.push(format!("note: {caution}"));
    }
    lines.push(verdict(outcome));
    lines.join("\n")
}

fn line(what: &str, value: &str) -> String {
    format!("{what:<9} {value}")
}

fn side(side: &Side) -> String {
    let level = |dbfs: Option<f64>| dbfs.map_or("none".into(), |db| format!("{db:.1} dBFS"));
    let channels = match side.channels {
        1 => "mono".to_string(),
        2 => "stereo".to_string(),
        n => format!("{n} channels"),
    };
    format!(
        "{}: {} Hz, {channels}, {:.2} s, peak {}, RMS {}",
        side.file.display(),
        side.sample_rate_hz,
        side.seconds,
        level(side.peak_dbfs),
        level(side.rms_dbfs)
    )
}

fn latency_words(latency: &LatencyFacts) -> String {
    let samples = latency.latency_samples;
    let mut words = match samples {
        0 => "none".to_string(),
        n => format!(
            "wet {} by {} samples ({:.2} ms)",
            if n > 0 { "lags" } else { "leads" },
            n.unsigned_abs(),
            latency.latency_ms.abs()
        ),
    };
    if let Some(exact) = latency.exact_samples {
        words += &format!(", {exact:.2} to a fraction");
    }
    match &latency.measured {
        _ if latency.given => words += ", as given",
        Some(measured) => words += &format!(", confidence {:.2}", measured.confidence),
        None => {}
    }
    match &latency.measured {
        Some(measured) if measured.inverted => words += "; polarity inverted",
        Some(_) => words += "; polarity kept",
        None => {}
    }
    words
}

fn clocks(outcome: &Outcome) -> String {
    match outcome.drift {
        Some(d) if d.confidence > crate::dsp::align::TRUSTED_CONFIDENCE => format!(
            "{:+.1} samples of drift over the recording ({:+.2} ppm), confidence {:.2}",
            d.samples, d.ppm, d.confidence
        ),
        Some(_) => "drift cannot be told from this material".to_string(),
        None => "too short to tell drift (3 s are needed)".to_string(),
    }
}

fn movement(outcome: &Outcome) -> String {
    let rate = f64::from(outcome.dry.sample_rate_hz);
    let filter = match (outcome.motion_words(), &outcome.moving) {
        (Some(words), Some(moving)) => format!(
            "{words}; so moved it leaves an ESR of {}, standing still {}",
            figure(moving.moving),
            figure(moving.still)
        ),
        (_, Some(moving)) => format!(
            "nothing moves: in motion a part leaves {:.0} % of what it leaves standing still",
            100.0 * moving.moving / moving.still.max(f64::MIN_POSITIVE)
        ),
        (_, None) => "nothing moves: a static model says it all".to_string(),
    };
    let gain = match outcome.gain_sway {
        Some(s) if s.detected() => format!(
            "the gain sways by {:.1} dB every {:.2} s",
            s.swing_db,
            s.period_samples / rate
        ),
        Some(s) => format!("no tremolo (share {:.2})", s.share),
        None => "tremolo: too short to tell".to_string(),
    };
    format!("{filter}; {gain}")
}

fn sides_words(sides: &Sides) -> String {
    let (apart, together) = (figure(sides.apart), figure(sides.together));
    match (sides.joint, sides.ahead) {
        (true, Some(ahead)) => {
            format!("one effect: its oscillator is {ahead:.2} rad ahead on the right")
        }
        (true, None) => format!(
            "one effect across both: channel by channel a filter leaves an ESR of {apart}, from all dry \
             channels to each side {together}"
        ),
        (false, _) => format!(
            "treated alike, to be learned channel by channel: a filter leaves an ESR of {apart} so, across \
             both {together}"
        ),
    }
}

fn kind_words(outcome: &Outcome, diagnosis: &Diagnosis) -> String {
    let leaves = &diagnosis.leaves;
    let mut words = match diagnosis.kind {
        Kind::Linear => format!(
            "linear: a filter (FIR) of {FILTER_TAPS} taps is enough and leaves an ESR of {}; a \
             network can only do as well",
            figure(leaves.filter)
        ),
        Kind::Delayed => {
            let echo = diagnosis.echo.map_or_else(String::new, |echo| {
                let what = match echo.delay_ms {
                    Some(ms) => format!("a repeat after {ms:.1} ms"),
                    None => "a tail without clear repeats".to_string(),
                };
                format!(
                    "{what}, {:+.1} dB against the direct sound, over after {:.0} ms; ",
                    echo.level_db, echo.length_ms
                )
            });
            format!("delayed: an echo or a room: {echo}a network needs a memory as long as that")
        }
        Kind::StaticNonlinear => "static nonlinear: a fixed curve with filters around it, as in \
             an overdrive or a clipper; a small recurrent network or WaveNet learns it"
            .to_string(),
        Kind::DynamicGain => "dynamic: its gain follows the playing, as a compressor's does; a \
             recurrent network with a long memory learns it"
            .to_string(),
        Kind::DynamicNonlinear => "dynamic: nonlinear with a memory, no fixed curve with filters \
             describes it; a larger recurrent network or WaveNet learns it"
            .to_string(),
        Kind::TimeVarying => "time-varying: it moves by a clock of its own (chorus, flanger, \
             phaser, vibrato, tremolo), which no network here can hear in dry"
            .to_string(),
    };
    if outcome.delayed && diagnosis.kind != Kind::Delayed {
        words += "; delayed as a whole (training removes the latency)";
    }
    words
}

/// What each quick model leaves.
fn models(diagnosis: &Diagnosis) -> String {
    let leaves = &diagnosis.leaves;
    let mut table = Table::new(["quick model", "leaves (ESR)"]);
    let fir = format!("filter, {FILTER_TAPS} taps");
    let rows = [
        ("dry as it is", Some(leaves.identity)),
        ("one gain", Some(leaves.gain)),
        ("curve", Some(leaves.curve)),
        (fir.as_str(), Some(leaves.filter)),
        ("filter of about a second", leaves.long_filter),
        ("filter, then curve", Some(leaves.filter_then_curve)),
        (
            "two tanh curves, then filters",
            Some(leaves.curves_then_filters),
        ),
        (
            "filter, then moving gain",
            Some(leaves.filter_then_moving_gain),
        ),
    ];
    for (name, esr) in rows {
        if let Some(esr) = esr {
            table.row([name.to_string(), figure(esr)]);
        }
    }
    table.to_string()
}

fn verdict(outcome: &Outcome) -> String {
    if outcome.fit {
        format!(
            "fit for training\nnext: effigy new NAME --dry {} --wet {}{}",
            outcome.dry.file.display(),
            outcome.wet.file.display(),
            outcome
                .channel
                .map_or_else(String::new, |n| format!(" --channel {n}"))
        )
    } else {
        "not fit for training as they are".to_string()
    }
}
