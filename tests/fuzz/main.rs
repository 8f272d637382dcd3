//! Hostile inputs for every reader of the base half: what was found once stays harmless, and a
//! seeded loop of mutations looks for more (README.md beside this file).

mod aiff;
mod allocator;
mod found;
mod mutate;
mod readers;
mod seeds;
mod watch;

use mutate::Mutator;
use readers::{READERS, Reader};
use std::time::{Duration, Instant};
use watch::Watch;

#[global_allocator]
static COUNTED: allocator::Counted = allocator::Counted;

/// The most memory that an input may take. What was found may take half of it.
const MEMORY: usize = 1_000_000_000;

/// An environment variable as a number.
fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// `count` mutated inputs for each reader that `EFFIGY_FUZZ_READER` names (all by default), or
/// until `end`.
fn mutate_all(seed: u64, count: u64, end: Option<Instant>) -> u64 {
    let chosen = std::env::var("EFFIGY_FUZZ_READER").unwrap_or_default();
    let chosen: Vec<&Reader> = READERS
        .iter()
        .filter(|r| r.name.contains(&chosen))
        .collect();
    let watch = Watch::new();
    let mut mutators: Vec<Mutator> = chosen
        .iter()
        .map(|reader| Mutator::new(seeds::of(reader.name), reader.is_text, seed))
        .collect();
    let mut tried = 0;
    for number in 0..count {
        for (reader, mutator) in chosen.iter().zip(&mut mutators) {
            if end.is_some_and(|end| Instant::now() >= end) {
                return tried;
            }
            let input = mutator.next();
            watch.run(
                reader,
                &format!("seed {seed}, number {number}"),
                &input,
                MEMORY,
            );
            tried += 1;
        }
    }
    tried
}

/// Every seed is read, or the mutations would only ever test the first refusal.
#[test]
fn the_seeds_themselves_are_read() {
    let watch = Watch::new();
    for reader in &READERS {
        let seeds = seeds::of(reader.name);
        assert!(!seeds.is_empty(), "{}", reader.name);
        for (number, seed) in seeds.iter().enumerate() {
            let read = watch.run(reader, &format!("seed file {number}"), seed, MEMORY);
            assert!(read, "{} does not read its seed {number}", reader.name);
        }
    }
}

#[test]
fn what_was_found_stays_harmless() {
    let watch = Watch::new();
    for found in found::all() {
        let reader = READERS.iter().find(|r| r.name == found.reader).unwrap();
        watch.run(reader, &found.name, &found.bytes, MEMORY / 2);
    }
}

/// The same few on every run: a fault that any small change brings back shows at once.
#[test]
fn some_mutations_of_every_reader_are_harmless() {
    let tried = mutate_all(1, 60, None);
    assert_eq!(tried, 60 * READERS.len() as u64);
}

/// One file, such as one that was kept: `EFFIGY_FUZZ_FILE=/tmp/… EFFIGY_FUZZ_READER=config`.
#[test]
#[ignore = "reads the file that it is told"]
fn one_file() {
    let (file, name) = (
        std::env::var("EFFIGY_FUZZ_FILE"),
        std::env::var("EFFIGY_FUZZ_READER"),
    );
    let (file, name) = (file.unwrap(), name.unwrap());
    let reader = READERS.iter().find(|r| r.name == name).unwrap();
    let read = Watch::new().run(reader, &file, &std::fs::read(&file).unwrap(), MEMORY);
    println!("{}", if read { "read" } else { "refused" });
}

/// `EFFIGY_FUZZ_SECONDS=600 cargo test --release -p effigy-base --test fuzz -- --ignored --nocapture`
#[test]
#[ignore = "runs for as long as it is told"]
fn for_seconds() {
    let seconds = given("EFFIGY_FUZZ_SECONDS").unwrap_or(60);
    let count = given("EFFIGY_FUZZ_INPUTS").unwrap_or(u64::MAX);
    let seed = given("EFFIGY_FUZZ_SEED").unwrap_or(7);
    let end = Instant::now() + Duration::from_secs(seconds);
    let tried = mutate_all(seed, count.div_ceil(READERS.len() as u64), Some(end));
    println!("{tried} inputs from seed {seed}: no panic, no hang, no large allocation");
}
