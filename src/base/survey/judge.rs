//! From what was found in two recordings to what that means for training.

use super::bond::Bond;
use super::look::Look;
use super::moving;
use crate::data::check::{Fact, Finding, Severity};
use crate::dsp::align;
use crate::regress::diagnosis::Kind;

/// Below this there is little to learn from.
const SHORT_SECONDS: f64 = 10.0;

/// Noise above this, relative to the wet sound, limits what any network can reach: −40 dB is an
/// ESR of 0.0001.
const NOISY_DB: f64 = -40.0;

/// Why these are not a recording and its source.
fn apart(look: &Look, bond: &Bond) -> String {
    let explained = bond.explained.map_or(0.0, |e| 100.0 * e);
    let measured = look.latency.as_ref().and_then(|l| l.measured.as_ref());
    let searched = measured.map_or_else(String::new, |m| {
        format!(
            ", and at no lag from {} to {} samples does wet follow dry throughout (best: {} samples, \
             in {:.0} % of the stretches)",
            m.searched.0,
            m.searched.1,
            m.latency_samples,
            100.0 * m.support
        )
    });
    format!(
        "these two do not belong together: the best of the quick models explains {explained:.0} % of \
         wet{searched}: check that both are the same take at the same speed"
    )
}

/// Why training would refuse recordings of so many seconds or learn nothing from them, and what
/// limits the result.
pub(super) fn judge(look: &Look, findings: &[Finding], seconds: f64) -> (Vec<String>, Vec<String>) {
    if let Some(bond) = look.bond.filter(|bond| !bond.holds()) {
        return (vec![apart(look, &bond)], Vec::new());
    }
    let mut problems: Vec<String> = look.problem.iter().cloned().collect();
    let mut cautions = Vec::new();
    let moving = look.moving.as_ref().filter(|moving| moving.detected());
    for finding in findings {
        let spoils = matches!(
            finding.fact,
            Fact::Identical
                | Fact::OnlyGain { .. }
                | Fact::Drifts { .. }
                | Fact::FilterMoves { .. }
                | Fact::GainSways { .. }
        );
        if moving.is_some() && matches!(finding.fact, Fact::GainSways { .. }) {
            continue;
        }
        // What makes two channels of one is told of below.
        let is_joint = look.sides.as_ref().is_some_and(|sides| sides.joint);
        if is_joint && matches!(finding.fact, Fact::ChannelsDiffer { .. }) {
            continue;
        }
        match finding.severity {
            Severity::Error => problems.push(finding.message()),
            Severity::Warning if spoils => problems.push(finding.message()),
            Severity::Warning | Severity::Note => cautions.push(finding.message()),
        }
    }
    let told = findings
        .iter()
        .any(|f| matches!(f.fact, Fact::FilterMoves { .. } | Fact::GainSways { .. }));
    if let Some(moving) = moving {
        cautions.push(format!(
            "the effect moves by a clock of its own: {}; of all networks only model.kind = \"modulated\", \
             which `effigy new` writes, has a clock and learns when",
            moving::words(moving)
        ));
    } else if look.kind() == Some(Kind::TimeVarying) && !told {
        problems.push(
            "wet is as loud as dry moment by moment, and no static model makes its waveform of \
             dry's: the effect changes fast by a clock of its own, as a vibrato, a ring modulator \
             or a pitch shifter does, and a network hears only dry and cannot learn when; or wet \
             is another take of the same passage"
                .to_string(),
        );
    }
    let suspected = look.motion.as_ref().and_then(|m| m.variation);
    if suspected.is_some_and(|v| v.suspected()) && look.kind() == Some(Kind::DynamicNonlinear) {
        cautions.push(
            "what no static model describes returns periodically, a little: if the effect has a \
             chorus, a phaser or the like, switch it off"
                .to_string(),
        );
    }
    if let Some(latency) = &look.latency
        && let Some(measured) = &latency.measured
    {
        let repeats = measured.repetition > 0.7;
        let sure = measured.confidence >= align::TRUSTED_CONFIDENCE || latency.given;
        if !sure && look.bond.unwrap_or_default().places(measured) {
            cautions.push(format!(
                "the latency is known to some samples only ({} with a confidence of {:.2}; rather early \
                 than late): give --latency, and data.latency in the config, if you know it",
                latency.latency_samples, measured.confidence
            ));
        } else if !sure {
            problems.push(format!(
                "the latency measures {} samples with a confidence of {:.2} (lags from {} to {} were \
                 searched), and {:.2} is needed{}: give --latency, and data.latency in the config, \
                 if you know it (0 is safe when both sides were recorded in one session)",
                latency.latency_samples,
                measured.confidence,
                measured.searched.0,
                measured.searched.1,
                align::TRUSTED_CONFIDENCE,
                if repeats {
                    ", for the dry sound repeats itself, as a held note does"
                } else {
                    ""
                }
            ));
        }
        if repeats {
            cautions.push(format!(
                "the dry sound repeats itself (similarity {:.2}): varied playing teaches more \
                 than a held note or a loop",
                measured.repetition
            ));
        }
    }
    // How far they are apart stands beside the figures.
    if look.sides.as_ref().is_some_and(|sides| sides.joint) {
        cautions.push(
            "left and right are sides of one effect: data.stereo = \"joint\", which `effigy new` writes, learns \
             them together"
                .to_string(),
        );
    }
    let varied = look.motion.as_ref().is_some_and(|m| m.variation.is_some());
    if look.kind().is_some() && !varied && seconds > SHORT_SECONDS {
        cautions.push(
            "dry has few frequencies at a time (a held note, a sweep, a moving wave): the kind of \
             effect is less sure than from music"
                .to_string(),
        );
    }
    if seconds < SHORT_SECONDS {
        cautions.push(format!(
            "{seconds:.1} s are short; half a minute to three minutes of varied playing, soft and \
             loud, low and high, teach more"
        ));
    }
    if let Some(sounding) = look.sounding.as_ref().filter(|s| !s.even) {
        cautions.push(format!(
            "it sounds from {:.2} to {:.2} of {seconds:.2} s and is silent in much of its end: what \
             is held back for validation and test is taken from where it sounds",
            sounding.from_seconds, sounding.to_seconds
        ));
    }
    if let Some(noise) = look.noise_db.filter(|db| *db > NOISY_DB) {
        cautions.push(format!(
            "noise is only {:.0} dB below the wet sound: no network can reach an ESR below {:.1e}",
            -noise,
            10f64.powf(noise / 10.0)
        ));
    }
    (problems, cautions)
}
