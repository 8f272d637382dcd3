//! The table of effects that move and of those that stand still: what a survey calls them.
//!
//! `cargo bench -p effigy-base --bench moving [FIRST] [COUNT]` prints it for so many of each, 3 to 30 s long; with
//! `real` in their place for recordings of real devices, with `truths` what is learned of effects of known motion,
//! with `takes` of real devices. A line per clip as it is called, `!` before what is
//! called wrongly, then the table by length. Thresholds were chosen on the clips from 0 to 99.

mod made;
#[path = "../material.rs"]
mod material;
mod real;
#[path = "../shared.rs"]
mod shared;
mod takes;
mod truths;

use effigy_base::audio::Audio;
use effigy_base::progress::Silent;
use effigy_base::survey::survey;
use made::LENGTHS;
use rayon::prelude::*;
use std::time::Instant;

/// How near a rate that is named is to be.
const NEAR: f64 = 0.05;

/// How a pair was called.
struct Called {
    seconds: f64,
    moving: bool,
    /// At the rate at which it moves, where that is known.
    right: bool,
}

/// Surveys a pair, its latency measured, and says how it was called.
fn call(name: &str, [dry, wet]: [&Audio; 2], moves: bool, rate_hz: Option<f64>) -> Called {
    let begun = Instant::now();
    let found = survey(&dry.tracks(), &wet.tracks(), None, None, &Silent).unwrap();
    let moving = found.motion_words().is_some();
    let named = found.moving.as_ref().map_or(0.0, |moving| moving.rate_hz);
    let right = moving && rate_hz.is_none_or(|rate| (named / rate - 1.0).abs() < NEAR);
    let mark = match (moving == moves, right == moves) {
        (false, _) => '!',
        (_, false) => '~',
        _ => ' ',
    };
    println!(
        "{mark} {name}: {:?}, {:?}, kind {:?}, {:.1} s",
        found.moving,
        found.diagnosis.as_ref().map(|diagnosis| diagnosis.leaves),
        found.kind,
        begun.elapsed().as_secs_f64()
    );
    Called {
        seconds: (2.0 * dry.seconds()).round() / 2.0,
        moving,
        right,
    }
}

fn count<'a>(called: impl Iterator<Item = &'a Called>, is: impl Fn(&Called) -> bool) -> String {
    let (mut those, mut all) = (0, 0);
    for called in called {
        all += 1;
        those += usize::from(is(called));
    }
    format!("{those} of {all}")
}

fn row(name: &str, [still, moving]: [&[Called]; 2], these: impl Fn(f64) -> bool) {
    let still = still.iter().filter(|called| these(called.seconds));
    let moving = || moving.iter().filter(|called| these(called.seconds));
    println!(
        "{name:>7}  {:>20}  {:>12}  {:>13}",
        count(still, |c| c.moving),
        count(moving(), |c| c.moving),
        count(moving(), |c| c.right)
    );
}

fn table(first: u64, amount: u64) {
    let numbers = first..first + amount;
    let both = numbers.into_par_iter().map(|number| {
        [false, true].map(|moves| {
            let clip = made::made(moves, number);
            let name = format!("{number}, {}", clip.words);
            call(&name, [&clip.dry, &clip.wet], moves, clip.rate_hz)
        })
    });
    let both: Vec<[Called; 2]> = both.collect();
    let (mut still, mut moving) = (Vec::new(), Vec::new());
    for [a, b] in both {
        still.push(a);
        moving.push(b);
    }
    println!("seconds  static called moving  moving found  at their rate");
    let rows: [&[Called]; 2] = [&still, &moving];
    for seconds in LENGTHS {
        row(&seconds.to_string(), rows, |s| s == seconds);
    }
    row("6 to 30", rows, |s| s >= 6.0);
    row("all", rows, |_| true);
}

fn real() {
    let Some(data) = shared::data() else {
        println!("skipped: no real recordings are here");
        return;
    };
    let call = |moves: bool| {
        move |pair: &real::Pair| call(&pair.name, [&pair.dry, &pair.wet], moves, None)
    };
    let moving: Vec<Called> = real::moving(&data).par_iter().map(call(true)).collect();
    let still: Vec<Called> = real::still(&data).par_iter().map(call(false)).collect();
    let [still, moving] = [&still, &moving].map(|all| count(all.iter(), |c| c.moving));
    println!("static called moving: {still}; moving found: {moving}");
}

fn main() {
    let arguments = std::env::args().skip(1);
    let arguments: Vec<String> = arguments.filter(|a| !a.starts_with("--")).collect();
    if arguments.first().is_some_and(|a| a == "real") {
        return real();
    }
    if arguments.first().is_some_and(|a| a == "truths") {
        return truths::table(&arguments[1..]);
    }
    if arguments.first().is_some_and(|a| a == "takes") {
        match shared::data() {
            Some(data) => takes::table(&data, &arguments[1..]),
            None => println!("skipped: no real recordings are here"),
        }
        return;
    }
    let number = |at: usize, default| {
        let given = arguments.get(at).and_then(|a| a.parse().ok());
        given.unwrap_or(default)
    };
    table(number(0, 0), number(1, 100));
}
