//! Takes of real devices: learned from all but the last, which is followed from where two seconds of it say. What a
//! training does between its epochs, without networks. Knows nothing of surveys.

use super::real::{self, Pair};
use effigy_base::regress::modulation::{Fitted, Recording, Size};
use std::path::Path;
use std::time::Instant;

/// Seconds that tell where the oscillators stand.
const OPENING: f64 = 2.0;

/// Steps at the recordings' own rate.
const STEPS: usize = 15;

fn recording(pair: &Pair) -> Recording<'_> {
    Recording::whole(&pair.dry.channels()[0], &pair.wet.channels()[0])
}

/// Prints a row: what moves, its rates, what is left of the takes that were heard, and of the last one.
fn row(name: &str, takes: &[Pair]) -> Option<()> {
    let begun = Instant::now();
    let (last, heard) = takes.split_last()?;
    let recordings: Vec<Recording<'_>> = heard.iter().map(recording).collect();
    let hz = f64::from(last.dry.sample_rate().hz());
    let go_on = || true;
    let shape = Fitted::shape_of(&recordings, hz, true, &go_on)?;
    let size = Size {
        second: shape.second,
        harmonics: shape.harmonics.min(Size::default().harmonics),
        ..Size::default()
    };
    let fitted = Fitted::begin(&recordings, hz, (Some(shape.part), size), &go_on)?;
    let fitted = fitted.refine(&recordings, hz, STEPS, &go_on)?;
    let effect = &fitted.effect;
    let last = recording(last);
    let opening = (OPENING * hz) as usize;
    let first = Recording::whole(&last.dry[..opening], &last.wet[..opening]);
    let (phases, rate) = effect.stood(&first, hz);
    let mut following = effect.clone();
    following.motion.oscillator.rate_hz = rate;
    let answer = following.answer(last.dry, phases, hz);
    let pairs = last.wet[opening..].iter().zip(&answer[opening..]);
    let left: f64 = pairs.map(|(w, p)| f64::from(w - p).powi(2)).sum();
    let energy = last.wet[opening..].iter().map(|w| f64::from(*w).powi(2));
    println!(
        "{name:8} {:24} {:9.5} {:9.5}  {:.4}  {:.4}  {:.0} s",
        format!("{:?}", shape.part),
        effect.motion.oscillator.rate_hz,
        effect.motion.second.as_ref().map_or(0.0, |s| s.rate_hz),
        fitted.left,
        left / energy.sum::<f64>(),
        begun.elapsed().as_secs_f64()
    );
    Some(())
}

/// A row of each device, or of those whose names are given.
pub fn table(data: &Path, only: &[String]) {
    println!("device   what moves                  rate Hz    second  heard   last take");
    let all = real::moving(data);
    let device = |pair: &Pair| {
        let name = pair.name.rsplit('/').next();
        let name = name.and_then(|name| name.split_once("-wet"));
        name.map_or(String::new(), |(device, _)| device.to_string())
    };
    for takes in all.chunk_by(|a, b| device(a) == device(b)) {
        let name = device(&takes[0]);
        if (only.is_empty() || only.contains(&name)) && row(&name, takes).is_none() {
            println!("{name:8} nothing moves");
        }
    }
}
