//! The table of pairs: how a survey judges pairs that belong together and pairs that do not.
//!
//! `cargo bench -p effigy-base --bench pairs` prints it; see README beside.

mod cases;

use cases::{Case, apart, belonging};
use effigy_base::audio::{Audio, SampleRate};
use effigy_base::dsp::align::{self, AlignOptions};
use effigy_base::progress::Silent;
use effigy_base::survey::{Survey, survey};
use rayon::prelude::*;

fn look(case: &Case) -> Survey {
    let dry = Audio::mono(case.rate, case.dry.clone());
    let wet = Audio::mono(case.rate, case.wet.clone());
    survey(&dry, &wet, None, None, &Silent).unwrap()
}

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let number = |index: usize, default: u64| {
        arguments
            .get(index)
            .and_then(|a| a.parse().ok())
            .unwrap_or(default)
    };
    let (mode, first, count) = (
        arguments.first().map_or("table", String::as_str),
        number(1, 0),
        number(2, 60),
    );
    match mode {
        "features" => features(first, count),
        _ => table(first, count),
    }
}

fn table(first: u64, count: u64) {
    let rows: Vec<(Case, Survey)> = (0..2 * count)
        .into_par_iter()
        .map(|n| {
            if n < count {
                belonging(first + n)
            } else {
                apart(first + n - count)
            }
        })
        .map(|mut case| {
            let found = look(&case);
            case.dry = Vec::new();
            (case, found)
        })
        .collect();
    let (mut refused, mut late, mut called_fit) = (0, 0, 0);
    for (case, found) in &rows {
        let latency = found.latency.as_ref();
        let (samples, confidence) = latency.map_or((0, 0.0), |l| {
            (
                l.latency_samples,
                l.measured.as_ref().map_or(0.0, |m| m.confidence),
            )
        });
        let mut marks = String::new();
        if let (Some(truth), Some((low, high))) = (case.truth, case.lags()) {
            let drifts = truth.drift_ppm != 0.0;
            let named = found
                .drift
                .is_some_and(|d| (d.ppm - truth.drift_ppm).abs() < 3.0 && d.confidence > 0.3);
            let only_drift = drifts && named && found.problems.iter().all(|p| p.contains("drift"));
            if !(found.fit || only_drift) {
                refused += 1;
                marks += " REFUSED";
            }
            if drifts && !named {
                marks += " DRIFT-UNNAMED";
            }
            if confidence >= 0.3 && !(low - 1..=high).contains(&samples) {
                late += 1;
                marks += " WRONG";
            }
            println!(
                "{:60} truth {:>7} {:>5.0} ppm found {samples:>7} conf {confidence:.2}{marks} kind {:?} drift {:.1?} | {}",
                case.name,
                truth.latency,
                truth.drift_ppm,
                found.kind,
                found.drift.map(|d| (d.ppm, d.confidence)),
                found.problems.first().map_or("", |p| &p[..p.len().min(90)])
            );
        } else {
            if found.fit {
                called_fit += 1;
                marks += " FALSE-FIT";
            }
            println!(
                "{:60} found {samples:>7} conf {confidence:.2}{marks} kind {:?} | {}",
                case.name,
                found.kind,
                found.problems.first().map_or("", |p| &p[..p.len().min(90)])
            );
        }
    }
    println!("{refused} refused, {late} wrong of {count}; {called_fit} called fit of {count}");
}

fn features(first: u64, count: u64) {
    let _ = (
        first,
        count,
        AlignOptions::default(),
        align::TRUSTED_CONFIDENCE,
        SampleRate::new(1),
    );
}
