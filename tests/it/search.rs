//! The search for a network: the same twice, goes on where it was stopped, keeps to what a player can
//! play, and answers a linear effect with a filter.

use crate::support::{Place, noise, through_effect};
use effigy::commands::train::{self, Outcome, Request};
use effigy::config::{Budget, Player};
use effigy::progress::{Event, Observer};
use effigy::report::race::Race;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

const LEN: usize = 16_000;

/// Recordings of an effect, and a config that searches for it.
fn place(wet: &[f32], dry: &[f32], search: &str) -> Place {
    let place = Place::new();
    place.wav("dry.wav", vec![dry.to_vec()]);
    place.wav("wet.wav", vec![wet.to_vec()]);
    place.write(
        "s.toml",
        format!(
            "name = \"s\"\n[data]\nlatency = 0\n[[data.train]]\ndry = \"dry.wav\"\nwet = \"wet.wav\"\n\
             [search]\n{search}\n[windows]\nwindow_len = 1024\nhop = 1024\n[model]\nkind = \"lstm\"\n\
             hidden_size = 4\nwarm_up = 64\n[training]\nstep_len = 256\nlearning_rate = 0.01\n"
        ),
    );
    place
}

fn overdrive(search: &str) -> Place {
    let dry = noise(LEN, 1);
    place(&through_effect(&dry), &dry, search)
}

/// Asks to stop after so many looks at the clock.
struct Stopping {
    after: usize,
    looks: AtomicUsize,
}

impl Stopping {
    fn after(after: usize) -> Self {
        Self {
            after,
            looks: AtomicUsize::new(0),
        }
    }
}

impl Observer for Stopping {
    fn event(&self, _: Event<'_>) {}

    fn stop_requested(&self) -> bool {
        self.looks.fetch_add(1, Ordering::Relaxed) >= self.after
    }
}

fn request(place: &Place, run: &str, resume: bool) -> Request {
    Request {
        config: Some(place.path("s.toml")),
        run: Some(place.path(run)),
        resume,
        no_report: true,
        ..Request::default()
    }
}

/// What does not depend on the clock.
fn essence(outcome: &Outcome) -> (Race, String) {
    let mut race = outcome.search.clone().unwrap();
    for round in race.entrants.iter_mut().flat_map(|e| &mut e.rounds) {
        round.seconds = 0.0;
    }
    (race, serde_json::to_string(&outcome.rows).unwrap())
}

const STEPS: &str = "budget = \"900 steps\"\neffect = \"distortion\"";

#[test]
fn a_budget_of_steps_is_the_same_twice_and_however_often_it_is_stopped() {
    let place = overdrive(STEPS);
    let whole = train::train(
        &request(&place, "a", false),
        &Stopping::after(usize::MAX),
        |_, _| {},
    );
    let whole = whole.unwrap();
    let (race, _) = essence(&whole);
    assert!(race.entrants.len() >= 4, "{race:?}");
    let ran = |round: usize| {
        race.entrants
            .iter()
            .filter(|e| e.rounds.len() > round)
            .count()
    };
    assert_eq!(ran(0), race.entrants.len());
    assert!(ran(1) < ran(0) && ran(1) >= 2);
    let steps: usize = race
        .entrants
        .iter()
        .flat_map(|e| &e.rounds)
        .map(|r| r.steps)
        .sum();
    // Rounds are whole epochs of whole windows: some more or less than their share.
    assert!((200..900).contains(&steps), "{steps}");
    let winner = &race.entrants[race.winner.unwrap()];
    assert_eq!(winner.name, race.rows()[0][0]);
    assert!(!place.path("a-search").exists());
    let kept = fs::read_to_string(place.path("a/search.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<Race>(&kept).unwrap().winner,
        race.winner
    );

    let mut stops = 0;
    let last = loop {
        let resume = stops > 0;
        let stopping = Stopping::after(150);
        match train::train(&request(&place, "b", resume), &stopping, |_, _| {}) {
            Ok(outcome) => break outcome,
            Err(error) => {
                let said = format!("{error:#}");
                assert!(said.contains("--resume"), "{said}");
                stops += 1;
                assert!(stops < 100, "it does not come to its end: {said}");
            }
        }
    };
    assert!(stops >= 3, "stopped {stops} times only");
    assert_eq!(essence(&last), essence(&whole));
    assert!(!place.path("b-search").exists());
}

#[test]
fn a_player_limits_the_search_and_a_queue_finds_it_again() {
    let place = overdrive(STEPS);
    let for_nam = Request {
        player: Some(Player::Nam),
        budget: Some(Budget::Steps(300)),
        ..request(&place, "n", false)
    };
    let outcome = train::train(&for_nam, &Stopping::after(usize::MAX), |_, _| {}).unwrap();
    let names: Vec<String> = outcome
        .search
        .unwrap()
        .entrants
        .iter()
        .map(|e| e.name.clone())
        .collect();
    assert!(names.len() >= 2, "{names:?}");
    let nam = |name: &String| name.starts_with("lstm") || name.starts_with("wavenet");
    assert!(names.iter().all(nam), "{names:?}");

    let text = fs::read_to_string(place.path("s.toml")).unwrap();
    place.write(
        "s.toml",
        text.replace("wet.wav\"", "wet.wav\"\ncontrols = { gain = 0.5 }"),
    );
    let said = place.effigy(&["train", "s.toml", "--budget", "300 steps", "--for", "nam"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("search.for = \"nam\""),
        "{}",
        said.stderr
    );
    assert!(said.stderr.contains("with knobs"), "{}", said.stderr);
    // What was refused left nothing that a next training would have to go around.
    assert!(!place.path("checkpoints").exists());
    let said = place.effigy(&["train", "s.toml", "--budget", "soon"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("90s"), "{}", said.stderr);
    // No search at all.
    let alone = place.effigy(&[
        "train",
        "s.toml",
        "--budget",
        "none",
        "--set",
        "training.epochs=1",
    ]);
    assert_eq!(alone.code, 0, "{}", alone.stderr);
    assert!(!alone.stderr.contains("search"), "{}", alone.stderr);
    // A run of a config with a search is trained longer as any other.
    let more = ["--set", "training.epochs=2", "--no-report", "--json"];
    let longer = ["train", "--run", "checkpoints/s", "--resume"];
    let longer = place.effigy(&[&longer[..], &more[..]].concat());
    assert_eq!(longer.json()["epochs"], 2);
}

#[test]
fn a_linear_effect_is_answered_with_the_filter() {
    let dry = noise(LEN, 2);
    let at = |i: usize, back: usize| if i >= back { dry[i - back] } else { 0.0 };
    let wet: Vec<f32> = (0..LEN)
        .map(|i| 0.5 * at(i, 2) - 0.25 * at(i, 40))
        .collect();
    let place = place(&wet, &dry, "budget = \"600 steps\"\neffect = \"filter\"");
    let said = place.effigy(&["train", "s.toml", "--no-report"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stdout.starts_with("tried"), "{}", said.stdout);
    assert!(
        said.stderr
            .contains("filter of 128 taps is trained to the end"),
        "{}",
        said.stderr
    );
    let outcome = place
        .effigy(&["train", "s.toml", "--no-report", "--json"])
        .json();
    let esr = outcome["rows"][0]["esr"].as_f64().unwrap();
    // 32-bit taps of a filter that is solved exactly.
    assert!(esr < 1e-10, "{esr}");
    assert_eq!(outcome["rows"][0]["name"], "fir");
}
