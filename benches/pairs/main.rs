//! The table of pairs: how a survey judges pairs that belong together and pairs that do not.
//!
//! `cargo bench -p effigy-base --bench pairs` prints it; see README beside.

mod cases;

use cases::{Case, apart, belonging};
use effigy_base::audio::Audio;
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
        "files" => files(&arguments[1..]),
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
    (0..2 * count).into_par_iter().for_each(|n| {
        let case = if n.is_multiple_of(2) { belonging(first + n / 2) } else { apart(first + n / 2) };
        let started = std::time::Instant::now();
        let found = align::estimate(&case.dry, &case.wet, &AlignOptions::default()).unwrap();
        let seconds = started.elapsed().as_secs_f64();
        let error = case.lags().map(|(low, high)| {
            let l = found.latency_samples;
            if l > high { l - high } else if l < low { l - low } else { 0 }
        });
        println!(
            "{} {:58} truth {:>7} {:>5.0} found {:>7} error {:>6} conf {:.2} strength {:.1} support {:.2} ppm {:.1} rep {:.2} sig {:.1} width {:.1} pur {:.3} start {:.2} top {:.2} onset {} inv {} | {} in {seconds:.1} s",
            if case.truth.is_some() { "T" } else { "F" },
            case.name,
            case.truth.map_or(0, |t| t.latency),
            case.truth.map_or(0.0, |t| t.drift_ppm),
            found.latency_samples,
            error.map_or("-".into(), |e| e.to_string()),
            found.confidence,
            found.strength,
            found.support,
            found.drift.map_or(0.0, |d| d.ppm),
            found.repetition,
            found.candidates[0].significance,
            found.candidates[0].width,
            found.purity,
            found.start_samples.map_or(0.0, |s| s - case.truth.map_or(0, |t| t.latency) as f64),
            found.top,
            found.candidates[0].onset - case.truth.map_or(0, |t| t.latency),
            case.truth.is_some_and(|t| t.inverted == found.inverted),
            found.candidates.iter().map(|c| format!("{}:{:.0}/{:.0}", c.onset - found.latency_samples, c.significance, c.width)).collect::<Vec<_>>().join(" "),
        );
    });
}

/// Surveys of pairs of files: dry wet dry wet …
fn files(names: &[String]) {
    names.par_chunks_exact(2).for_each(|pair| {
        let read = |name: &String| effigy_base::audio::decode::read(name.as_ref()).unwrap().audio;
        let started = std::time::Instant::now();
        let found = survey(&read(&pair[0]), &read(&pair[1]), None, None, &Silent).unwrap();
        let latency = found.latency.as_ref();
        let measured = latency.and_then(|l| l.measured.as_ref());
        let name = |path: &String| path.rsplit('/').take(2).collect::<Vec<_>>().join("/");
        println!(
            "{} {}: {:?} fit {} lag {:?} conf {:.2?} strength {:.1?} support {:.2?} start {:.2?} inv {:?} bond {:.2?} drift {:.1?} leaves {:.4?} var {:.2?} | {:?} {:.1} s",
            name(&pair[0]), name(&pair[1]), found.kind, found.fit,
            latency.map(|l| l.latency_samples), measured.map(|m| m.confidence),
            measured.map(|m| m.strength), measured.map(|m| m.support), measured.and_then(|m| m.start_samples),
            measured.map(|m| m.inverted), found.bond, found.drift.map(|d| (d.ppm, d.samples, d.confidence)),
            found.diagnosis.as_ref().map(|d| (d.leaves.filter, d.leaves.long_filter, d.leaves.curves_then_filters, d.leaves.filter_then_moving_gain, d.leaves.filter_then_curve)),
            found.time_variation.map(|v| (v.depth, v.rhythm)),
            found.problems.first().map(|p| p.chars().take(70).collect::<String>()), started.elapsed().as_secs_f64(),
        );
    });
}
