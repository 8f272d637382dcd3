//! The table of pairs: how a survey judges pairs that belong together and pairs that do not.
//!
//! `cargo bench -p effigy-base --bench pairs` prints it; see README beside.

mod cases;
#[path = "../material.rs"]
mod material;
mod real;
#[path = "../shared.rs"]
mod shared;

use cases::{Case, apart, belonging};
use effigy_base::audio::Audio;
use effigy_base::audio::decode::Stored;
use effigy_base::dsp::align::{self, AlignOptions};
use effigy_base::progress::Silent;
use effigy_base::survey::{Survey, survey};
use rayon::prelude::*;

fn look(case: &Case) -> Survey {
    let dry = Audio::mono(case.rate, case.dry.clone());
    let wet = Audio::mono(case.rate, case.wet.clone());
    survey(&dry.tracks(), &wet.tracks(), None, None, &Silent).unwrap()
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
    let (mode, first, count, step) = (
        arguments.first().map_or("table", String::as_str),
        number(1, 0),
        number(2, 60),
        number(3, 1),
    );
    match mode {
        "features" => features(first, count, step),
        "files" => files(&arguments[1..]),
        _ => table(first, count),
    }
}

/// What the table counts.
#[derive(Clone, Copy, Default)]
struct Count {
    refused: usize,
    wrong: usize,
    trusted: usize,
    unnamed: usize,
    called_fit: usize,
}

fn table(first: u64, count: u64) {
    let real = shared::data().map_or_else(
        || {
            println!("skipped: no real recordings are here");
            Vec::new()
        },
        |data| real::crosswise(&data),
    );
    let made = count.saturating_sub(real.len() as u64);
    let of_real = real.len().min(count as usize);
    let real = real.into_par_iter().take(of_real).map(|case| row(&case));
    let belonging = (first..first + count)
        .into_par_iter()
        .map(|n| row(&belonging(n)));
    let apart = (first..first + made)
        .into_par_iter()
        .map(|n| row(&apart(n)));
    let sum = belonging
        .chain(apart)
        .chain(real)
        .reduce(Count::default, |a, b| Count {
            refused: a.refused + b.refused,
            wrong: a.wrong + b.wrong,
            trusted: a.trusted + b.trusted,
            unnamed: a.unnamed + b.unnamed,
            called_fit: a.called_fit + b.called_fit,
        });
    println!(
        "of {count} that belong together {} refused, {} latencies trusted of which {} wrong, {} drifts \
         not named; of {made} made and {of_real} real ones that do not {} called fit",
        sum.refused, sum.trusted, sum.wrong, sum.unnamed, sum.called_fit
    );
}

/// Prints how a pair is judged.
fn row(case: &Case) -> Count {
    let found = look(case);
    let latency = found.latency.as_ref();
    let measured = latency.and_then(|l| l.measured.as_ref());
    let samples = latency.map_or(0, |l| l.latency_samples);
    let confidence = measured.map_or(0.0, |m| m.confidence);
    let mut count = Count::default();
    let mut text = format!("{:60} ", case.name);
    let mut marks = String::new();
    if let (Some(truth), Some((low, high))) = (case.truth, case.lags()) {
        let drifts = truth.drift_ppm != 0.0;
        let within = (0.05 * truth.drift_ppm.abs()).max(3.0);
        let named = |d: align::Drift| d.is_seen() && (d.ppm - truth.drift_ppm).abs() < within;
        let named = found.drift.is_some_and(named);
        let only_drift = drifts && named && found.problems.iter().all(|p| p.contains("drift"));
        if !(found.fit || only_drift) {
            count.refused = 1;
            marks += " REFUSED";
        }
        if drifts && !named {
            count.unnamed = 1;
            marks += " DRIFT-UNNAMED";
        }
        if confidence >= align::TRUSTED_CONFIDENCE {
            count.trusted = 1;
            if !(low - 1..=low).contains(&samples) {
                count.wrong = 1;
                marks += " WRONG";
            }
        }
        text += &format!("truth {low:>7} to {high:>7} {:>5.0} ppm ", truth.drift_ppm);
    } else if found.fit {
        count.called_fit = 1;
        marks += " FALSE-FIT";
    }
    println!(
        "{text}found {samples:>7} conf {confidence:.2}{marks} kind {:?} drift {:.1?} {:.2?} | {}",
        found.kind,
        found.drift.map(|d| (d.ppm, d.confidence)),
        found.bond,
        found.problems.first().map_or("", |p| &p[..p.len().min(90)])
    );
    count
}

/// What the confidence of a latency is read from, pair by pair, and how often it was right.
fn features(first: u64, count: u64, step: u64) {
    let numbers: Vec<u64> = (0..count).map(|n| first + step * n).collect();
    let belonging = numbers.par_iter().map(|n| feature(&belonging(*n)));
    let apart = numbers.par_iter().map(|n| feature(&apart(*n)));
    let judged: Vec<(f64, bool)> = belonging.chain(apart).collect();
    println!("confidence  pairs  right");
    for (from, to) in [
        (0.0, 0.1),
        (0.1, 0.3),
        (0.3, 0.5),
        (0.5, 0.7),
        (0.7, 0.9),
        (0.9, 1.01),
    ] {
        let inside = judged.iter().filter(|(c, _)| (from..to).contains(c));
        let (all, right) = inside.fold((0, 0), |(all, right), (_, r)| {
            (all + 1, right + usize::from(*r))
        });
        println!("{from:.1} to {:.1}  {all:5}  {right:5}", to.min(1.0));
    }
}

/// Prints what was measured; how sure, and whether it is right: on the sample or one early.
fn feature(case: &Case) -> (f64, bool) {
    let started = std::time::Instant::now();
    let found = align::estimate(&case.dry, &case.wet, &AlignOptions::default()).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let error = case.lags().map(|(low, _)| found.latency_samples - low);
    let best = found.candidates[0];
    println!(
        "{} {:58} error {:>6} found {:>7} conf {:.2} strength {:.1} support {:.2} drift {:.1?} of {:.1} rep {:.2} \
         sig {:.1} width {:.1} pur {:.3} start {:.2} top {:.2} polarity {} | {} in {seconds:.1} s",
        if case.truth.is_some() { "T" } else { "F" },
        case.name,
        error.map_or("-".into(), |e| e.to_string()),
        found.latency_samples,
        found.confidence,
        found.strength,
        found.support,
        found.drift.map(|d| (d.ppm, d.confidence)),
        case.truth.map_or(0.0, |t| t.drift_ppm),
        found.repetition,
        best.significance,
        best.width,
        found.purity,
        found
            .start_samples
            .map_or(0.0, |s| s - case.truth.map_or(0, |t| t.latency) as f64),
        found.top,
        case.truth.is_none_or(|t| t.inverted == found.inverted),
        found
            .candidates
            .iter()
            .map(|c| format!(
                "{}:{:.0}/{:.0}",
                c.onset - found.latency_samples,
                c.significance,
                c.width
            ))
            .collect::<Vec<_>>()
            .join(" "),
    );
    (
        found.confidence,
        error.is_some_and(|e| (-1..=0).contains(&e)),
    )
}

/// Surveys of pairs of files: dry wet dry wet …
fn files(names: &[String]) {
    names.par_chunks_exact(2).for_each(|pair| {
        let open = |name: &String| Stored::open(name.as_ref()).unwrap();
        let started = std::time::Instant::now();
        let (dry, wet) = (open(&pair[0]), open(&pair[1]));
        let found = survey(&dry.tracks(), &wet.tracks(), None, None, &Silent).unwrap();
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
