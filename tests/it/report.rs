//! The page of a run from outside: made by training, drawn anew, compared, whole and harmless.

use crate::support::{Place, noise, place, through_effect};
use std::fs;

const CONV: &str = "kind = \"conv\"\nchannels = 4\nkernel_size = 8";

const SECTIONS: [&str; 12] = [
    "figures",
    "listen",
    "learning",
    "waveforms",
    "time",
    "spectrograms",
    "transfer",
    "harmonics",
    "frequency",
    "aliasing",
    "alignment",
    "run",
];

/// Elements that have no end tag.
const VOID: [&str; 6] = ["meta", "link", "input", "img", "br", "hr"];

/// Holds a page to what every page promises: every element is closed where it must be, nothing
/// is fetched from anywhere, no figure is not a number, ids are unique.
fn check(page: &str) {
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    let mut open: Vec<String> = Vec::new();
    let mut ids = std::collections::BTreeSet::new();
    let mut rest = page;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if rest.starts_with('!') {
            continue;
        }
        // Attribute values are escaped, so the first > ends the tag.
        let (tag, after) = rest.split_at(rest.find('>').expect("a tag that does not end"));
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(
                open.pop().as_deref(),
                Some(name),
                "</{name}> closes another element"
            );
            continue;
        }
        let name: String = tag
            .chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect();
        assert!(!name.is_empty(), "<{}", &tag[..tag.len().min(40)]);
        attributes(tag, &mut ids);
        if name == "style" || name == "script" {
            let end = format!("</{name}>");
            rest = &rest[rest.find(&end).unwrap() + end.len()..];
        } else if !VOID.contains(&name.as_str()) && !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "never closed: {open:?}");
    // Sounds and images may spell anything.
    let mut plain = String::new();
    for (index, part) in page.split("base64,").enumerate() {
        let from = if index == 0 {
            0
        } else {
            part.find('"').unwrap()
        };
        plain += &part[from..];
    }
    for wrong in ["NaN", ">inf", ">-inf", "://", "@import"] {
        assert!(!plain.contains(wrong), "{wrong} is on the page");
    }
}

fn attributes(tag: &str, ids: &mut std::collections::BTreeSet<String>) {
    for part in tag.split(' ').skip(1) {
        let Some((name, value)) = part.split_once("=\"") else {
            continue;
        };
        let value = value.trim_end_matches('/').trim_end_matches('"');
        match name {
            "src" => assert!(value.starts_with("data:"), "fetches {value}"),
            "href" => assert!(value.starts_with('#'), "leads to {value}"),
            "id" => assert!(ids.insert(value.to_string()), "id {value} occurs twice"),
            "d" | "style" | "data-x" | "data-y" => {
                assert!(
                    !value.contains("inf") && !value.contains("url("),
                    "{name}={value}"
                );
            }
            _ => {}
        }
    }
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

/// The body of a section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page
        .find(&format!("<section id=\"{id}\""))
        .unwrap_or_else(|| panic!("no {id}"));
    let len = page[start..].find("</section>").unwrap();
    &page[start..start + len]
}

#[test]
fn training_leaves_a_page_that_says_what_the_run_says() {
    let place = place(CONV, "epochs = 6\nlearning_rate = 0.01");
    let outcome = place
        .effigy(&["train", "-c", "t.toml", "--run", "r", "--json"])
        .json();
    assert_eq!(outcome["page"], "r/report.html");
    let page = read(&place, "r/report.html");
    check(&page);
    assert!(
        page.len() < 1_000_000,
        "{} bytes for 0.05 s of test sound",
        page.len()
    );
    for id in SECTIONS {
        assert!(section(&page, id).len() > 60, "{id} is empty");
    }
    let figures = section(&page, "figures");
    for row in outcome["rows"].as_array().unwrap() {
        assert!(figures.contains(row["name"].as_str().unwrap()));
    }
    assert_eq!(section(&page, "listen").matches("<audio ").count(), 4);
    let curves = section(&page, "learning")
        .matches("class=\"curve\"")
        .count();
    assert_eq!(curves, 2);
    assert_eq!(section(&page, "waveforms").matches("<figure").count(), 3);
    assert_eq!(section(&page, "spectrograms").matches("<img ").count(), 4);
    let machine = outcome["provenance"]["system"].as_str().unwrap();
    assert!(section(&page, "run").contains(machine));
    assert!(section(&page, "run").contains("kernel_size = 8"));

    // Drawn anew, it is the same page; only times may differ, and none is on it that moves.
    let again = place.effigy(&["report", "--run", "r", "--json"]).json();
    assert_eq!(again["bytes"].as_u64().unwrap() as usize, page.len());
    assert_eq!(read(&place, "r/report.html"), page);
    assert!(again["missing"].as_array().unwrap().is_empty(), "{again}");
}

#[test]
fn pictures_come_as_files_too() {
    let place = place(CONV, "epochs = 1");
    let trained = place.effigy(&[
        "train",
        "-c",
        "t.toml",
        "--run",
        "r",
        "--no-report",
        "--json",
    ]);
    assert!(trained.json()["page"].is_null());
    assert!(!place.path("r/report.html").exists());
    for (format, start) in [("svg", &b"<svg "[..]), ("png", b"\x89PNG")] {
        let said = place
            .effigy(&["report", "r", "--plots", format, "--json"])
            .json();
        let plots = said["plots"].as_array().unwrap();
        assert!(plots.len() >= 12, "{}", plots.len());
        for plot in plots {
            let plot = plot.as_str().unwrap();
            assert!(plot.starts_with("r/plots/") && plot.ends_with(format));
            assert!(
                fs::read(place.path(plot)).unwrap().starts_with(start),
                "{plot}"
            );
        }
    }
}

#[test]
fn runs_are_compared_on_one_page() {
    let place = place(CONV, "epochs = 2");
    let wide = fs::read_to_string(place.path("t.toml"))
        .unwrap()
        .replace("size = 8", "size = 16");
    place.write("wide.toml", wide);
    for (config, run) in [("t.toml", "a"), ("wide.toml", "b")] {
        place
            .effigy(&["train", "-c", config, "--run", run, "--no-report", "--json"])
            .json();
    }
    // Another recording: figures and curves are compared, sounds cannot be.
    let dry = noise(4000, 9);
    place.wav("other-wet.wav", vec![through_effect(&dry)]);
    place.wav("other-dry.wav", vec![dry]);
    let other = read(&place, "t.toml")
        .replace("\"dry.wav", "\"other-dry.wav")
        .replace("\"wet.wav", "\"other-wet.wav");
    place.write("other.toml", other);
    place
        .effigy(&[
            "train",
            "-c",
            "other.toml",
            "--run",
            "c",
            "--no-report",
            "--json",
        ])
        .json();

    place
        .effigy(&["report", "a", "b", "-o", "two.html", "--json"])
        .json();
    let page = read(&place, "two.html");
    check(&page);
    let figures = section(&page, "figures");
    assert!(figures.contains(">a <small>conv</small>") && figures.contains(">b <small>"));
    // A longer memory is tested a few samples later, and still on the same recording.
    assert_eq!(section(&page, "listen").matches("<audio ").count(), 4);
    assert_eq!(section(&page, "time").matches("class=\"curve\"").count(), 2);

    place
        .effigy(&[
            "report",
            "a",
            "c",
            "-o",
            "other.html",
            "--plots",
            "svg",
            "--json",
        ])
        .json();
    let page = read(&place, "other.html");
    check(&page);
    assert!(!page.contains("<audio ") && section(&page, "listen").contains("same recordings"));
    assert_eq!(
        section(&page, "frequency")
            .matches("class=\"curve\"")
            .count(),
        4
    );
    assert!(place.path("other-plots/harmonics.svg").exists());
}

#[test]
fn a_run_that_has_little_yields_a_page_all_the_same() {
    let place = place(CONV, "epochs = 1");
    place
        .effigy(&[
            "train",
            "-c",
            "t.toml",
            "--run",
            "r",
            "--no-report",
            "--json",
        ])
        .json();
    fs::remove_dir_all(place.path("r/test")).unwrap();
    place.effigy(&["report", "r", "--json"]).json();
    let page = read(&place, "r/report.html");
    check(&page);
    assert!(section(&page, "listen").contains("no test sound"));
    assert!(section(&page, "harmonics").contains("<figure"));
    for gone in ["r/report.json", "r/metrics.jsonl", "r/best/weights.bpk"] {
        fs::remove_file(place.path(gone)).unwrap();
    }
    let said = place.effigy(&["report", "r", "--json"]).json();
    assert!(said["missing"].as_array().unwrap().len() >= 2, "{said}");
    let page = read(&place, "r/report.html");
    check(&page);
    for id in SECTIONS {
        assert!(
            section(&page, id).contains("<p"),
            "{id} does not say why it is empty"
        );
    }
    assert!(page.contains("not tested yet"));
}

#[test]
fn silence_and_a_perfect_prediction_are_no_reason_to_fail() {
    let place = place(CONV, "epochs = 1");
    place
        .effigy(&[
            "train",
            "-c",
            "t.toml",
            "--run",
            "r",
            "--no-report",
            "--json",
        ])
        .json();
    let test = fs::read_dir(place.path("r/test")).unwrap().flatten();
    let names: Vec<String> = test.map(|e| e.file_name().into_string().unwrap()).collect();
    let dry = names.iter().find(|n| n.ends_with("-dry.wav")).unwrap();
    let beside = |side: &str| {
        format!(
            "r/test/{}",
            dry.replace("-dry.wav", &format!("-{side}.wav"))
        )
    };
    for sound in [vec![0.0; 300], noise(300, 3)] {
        for side in ["dry", "wet", "predicted"] {
            place.wav(&beside(side), vec![sound.clone()]);
        }
        place.effigy(&["report", "r", "--json"]).json();
        check(&read(&place, "r/report.html"));
    }
    place.wav(&beside("wet"), vec![vec![0.0; 299]]);
    let said = place.effigy(&["report", "r"]);
    assert_eq!(said.code, 0);
    assert!(said.stderr.contains("differ in length"), "{}", said.stderr);
}

#[test]
fn pages_replace_only_pages() {
    let place = place(CONV, "epochs = 1");
    place
        .effigy(&[
            "train",
            "-c",
            "t.toml",
            "--run",
            "r",
            "--no-report",
            "--json",
        ])
        .json();
    place.write("mine.html", "<h1>mine</h1>");
    for (arguments, expected) in [
        (&["report"][..], "no run named"),
        (&["report", "r", "r"], "name it: -o"),
        (&["report", "r", "-o", "mine.html"], "no page of effigy's"),
        (&["report", "r", "-o", "r"], "is a folder"),
        (&["report", "nowhere"], "nowhere: no run"),
        (&["report", "r", "--plots", "gif"], "png"),
    ] {
        let said = place.effigy(arguments);
        assert_eq!(said.code, 2, "{arguments:?}");
        assert!(
            said.stderr.contains(expected),
            "{arguments:?}: {}",
            said.stderr
        );
    }
    assert_eq!(read(&place, "mine.html"), "<h1>mine</h1>");
    place
        .effigy(&["report", "r", "-o", "new/page.html", "--json"])
        .json();
    place
        .effigy(&["report", "r", "r", "-o", "new/page.html", "--json"])
        .json();
    assert!(read(&place, "new/page.html").contains("2 runs compared"));
}
