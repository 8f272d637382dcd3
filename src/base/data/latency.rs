//! The latency of a group of pairs: one for all where they agree, else one for each.
//!
//! Knows pairs as they were decoded, not files or splits.

use super::aligned;
use super::error::DataError;
use super::recordings::LatencyReport;
use super::source::Source;
use crate::audio::Track;
use crate::dsp::align::{self, AlignOptions};

/// What loading calls a pair by.
type Key = String;

/// Trusted latencies of one chain that differ by more samples than this are of several takes. A
/// pedal's response spreads over some samples, and what of it is seen depends on what is played.
const AGREE: i64 = 16;

/// The latencies of the pairs that leave them to be measured.
pub(super) enum Measured {
    /// One chain.
    Common(LatencyReport),
    /// Several takes, each with its own.
    Each(Vec<(Key, LatencyReport)>),
}

impl Measured {
    /// Every latency once.
    pub(super) fn reports(&self) -> Vec<LatencyReport> {
        match self {
            Self::Common(report) => vec![report.clone()],
            Self::Each(each) => each.iter().map(|(_, report)| report.clone()).collect(),
        }
    }

    /// That of one pair.
    ///
    /// # Errors
    /// A pair that was not measured, for training has none of it, beside pairs that disagree.
    pub(super) fn of(&self, key: &str, label: &str) -> Result<&LatencyReport, DataError> {
        let each = match self {
            Self::Common(report) => return Ok(report),
            Self::Each(each) => each,
        };
        let own = each.iter().find(|(other, _)| other == key);
        own.map(|(_, report)| report).ok_or_else(|| {
            DataError::Unfit(format!(
                "{label}: its latency is to be that of the training pairs, and those differ ({}); set \
                 its latency to a number",
                list(each)
            ))
        })
    }
}

/// The latency of some pairs of one chain, and whether its place is known.
pub(super) fn measure(
    label: &str,
    sources: &[&Source],
) -> Result<(LatencyReport, bool), DataError> {
    let pairs: Vec<(Track<'_>, Track<'_>)> = sources.iter().flat_map(|s| s.tracks()).collect();
    let measured = align::estimate_joint(&pairs, &AlignOptions::default());
    let found = measured.map_err(|source| DataError::Align {
        label: label.to_string(),
        source,
    })?;
    let report = LatencyReport {
        label: label.to_string(),
        latency_samples: found.latency_samples,
        exact_samples: aligned::exact_latency(&pairs, found.latency_samples),
        confidence: Some(found.confidence),
        inverted: Some(found.inverted),
    };
    Ok((report, found.is_placed()))
}

/// What to do with pairs whose trusted latencies differ: each its own, or a refusal with the list
/// where one of them is not to be trusted. `None` where they agree, or too few can be trusted to say.
pub(super) fn disagreement(each: &[(Key, LatencyReport)]) -> Option<Result<Measured, DataError>> {
    let trusted = |r: &LatencyReport| r.confidence.is_some_and(|c| c >= align::TRUSTED_CONFIDENCE);
    let sure = each.iter().filter(|(_, r)| trusted(r));
    let sure = sure.map(|(_, r)| r.latency_samples);
    let (least, most) = (sure.clone().min()?, sure.max()?);
    if most - least <= AGREE {
        return None;
    }
    if each.iter().all(|(_, report)| trusted(report)) {
        return Some(Ok(Measured::Each(each.to_vec())));
    }
    Some(Err(DataError::Unfit(format!(
        "the training pairs have no common latency, and not all of their own can be trusted: {}; set \
         latency to a number for each of them",
        list(each)
    ))))
}

/// The pairs that stand out by name, and how many have what most have.
fn list(each: &[(Key, LatencyReport)]) -> String {
    let words = each.iter().map(|(_, r)| {
        let confidence = r.confidence.unwrap_or(0.0);
        format!(
            "{} {} samples (confidence {confidence:.2})",
            r.label, r.latency_samples
        )
    });
    let words: Vec<String> = words.take(20).collect();
    let more = each.len() - words.len();
    match more {
        0 => words.join(", "),
        more => format!("{} and {more} more", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(latency_samples: i64, confidence: f64) -> (Key, LatencyReport) {
        let label = format!("take {latency_samples}");
        let report = LatencyReport {
            label: label.clone(),
            latency_samples,
            exact_samples: None,
            confidence: Some(confidence),
            inverted: Some(false),
        };
        (label, report)
    }

    #[test]
    fn takes_that_differ_have_each_their_own() {
        assert!(disagreement(&[]).is_none());
        assert!(disagreement(&[report(-1, 0.9), report(9, 0.9)]).is_none());
        // What cannot be trusted does not speak against the others.
        assert!(disagreement(&[report(-1, 0.9), report(700, 0.1)]).is_none());
        let takes = [report(-1, 0.9), report(67, 0.9)];
        let found = disagreement(&takes).unwrap().unwrap();
        assert_eq!(found.of("take 67", "").unwrap().latency_samples, 67);
        assert_eq!(found.reports().len(), 2);
        assert!(
            found
                .of("test", "test.wav")
                .unwrap_err()
                .to_string()
                .contains("take 67")
        );
        let unsure = [report(-1, 0.9), report(67, 0.9), report(500, 0.1)];
        let said = disagreement(&unsure).unwrap().err().unwrap().to_string();
        assert!(
            said.contains("take 67 67 samples (confidence 0.90)"),
            "{said}"
        );
    }
}
