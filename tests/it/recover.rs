//! `effigy recover` as a command: the seed's figures, its files, refusals.

use crate::golden;
use crate::support::shared;
use effigy::audio::{Audio, SampleFormat, SampleRate, decode, encode};
use effigy::commands::recover::{MethodName, Outcome, Request, Row, recover};
use effigy::progress::Silent;
use std::path::Path;

const ALL: [MethodName; 3] = [MethodName::Ols, MethodName::Ridge, MethodName::Pca];

fn request(dir: &Path) -> Request {
    Request {
        dir: dir.to_path_buf(),
        prefix: "0_jackson".to_string(),
        portion: 0.5,
        held_out: Some(47),
        seed: None,
        leave_one_out: false,
        method: ALL.to_vec(),
        rcond: 1e-6,
        alpha: None,
        components: None,
        output: None,
        wrap: false,
    }
}

fn row<'a>(outcome: &'a Outcome, name: &str) -> &'a Row {
    let rows = &outcome.recovered[0].rows;
    rows.iter().find(|row| row.name == name).unwrap()
}

#[test]
fn scikit_learns_figures_and_samples_are_reproduced() {
    let clips = golden::array("classical/spoken.npy");
    let wanted = golden::json("classical/recovered.json");
    let dir = tempfile::tempdir().unwrap();
    for k in 0..clips.shape[0] {
        let samples = clips.row(k).iter().map(|x| (x / 32_768.0) as f32);
        let audio = Audio::mono(SampleRate::new(8000).unwrap(), samples.collect());
        let path = dir.path().join(format!("0_jackson_{k:02}.wav"));
        encode::write(&path, &audio, SampleFormat::Float(32)).unwrap();
    }
    for (portion, label, stored) in [
        (0.5, "50", "classical/recovered_50.npy"),
        (0.25, "25", "classical/recovered_25.npy"),
    ] {
        let mut request = request(dir.path());
        request.held_out = Some(11);
        request.portion = portion;
        request.output = Some(dir.path().join("stitched.wav"));
        request.wrap = true;
        let outcome = recover(&request, &Silent).unwrap();
        let want = &wanted[label];
        let agrees = |found: f64, key: &str| {
            let want = want[key].as_f64().unwrap();
            assert!(
                (found / want - 1.0).abs() < 1e-6,
                "{label} {key}: {found} {want}"
            );
        };
        let ols = row(&outcome, "ols");
        agrees(ols.score.mse, "mse");
        agrees(ols.score.rmse, "rmse");
        agrees(ols.score.r2, "r2_over_time");
        agrees(row(&outcome, "silence").score.mse, "mse_zero");
        agrees(row(&outcome, "mean clip").score.mse, "mse_mean_clip");
        assert_eq!(ols.setting, want["rank"].as_f64());
        assert_eq!(outcome.kept as u64, want["split"].as_u64().unwrap());
        assert_eq!(
            outcome.beyond_16_bits as u64,
            want["n_out_of_i16"].as_u64().unwrap()
        );
        assert!(row(&outcome, "ridge").score.mse < row(&outcome, "silence").score.mse);

        // Truncated and wrapped as NumPy does; a prediction within 1e-9 of an integer could
        // fall on its other side.
        let stitched = decode::read(request.output.as_ref().unwrap())
            .unwrap()
            .audio;
        let stored = golden::array(stored).values;
        let ending = &stitched.channels()[0][outcome.kept..];
        assert_eq!(ending.len(), stored.len());
        for (sample, want) in ending.iter().zip(&stored) {
            assert_eq!(f64::from(*sample) * 32_768.0, *want);
        }
        request.wrap = false;
        recover(&request, &Silent).unwrap();
        let saturated = decode::read(request.output.as_ref().unwrap())
            .unwrap()
            .audio;
        let changed = saturated.channels()[0]
            .iter()
            .zip(&stitched.channels()[0])
            .filter(|(a, b)| a != b)
            .count();
        assert_eq!(changed, outcome.beyond_16_bits);
    }
}

#[test]
fn over_all_clips_least_squares_never_beats_silence_and_penalties_repair_that() {
    let Some(digits) = shared("data/fsdd") else {
        return;
    };
    let mut request = request(&digits);
    request.held_out = None;
    let outcome = recover(&request, &Silent).unwrap();
    assert_eq!(outcome.recovered.len(), 50);
    let summary = |name: &str| outcome.summary.iter().find(|s| s.name == name).unwrap();
    // scikit-learn's, clip by clip: median RMSE 6083, median R² −0.93, best −0.16, 0 of 50.
    let ols = summary("ols");
    assert!((ols.median_rmse - 6083.0).abs() < 1.0, "{ols:?}");
    assert!((ols.median_r2 + 0.93).abs() < 0.01 && (ols.best_r2 + 0.16).abs() < 0.01);
    assert_eq!((ols.better_than_silence, ols.better_than_mean_clip), (0, 0));
    for name in ["ridge", "pca"] {
        assert!(summary(name).mean_mse < 0.5 * ols.mean_mse, "{name}");
        assert!(summary(name).better_than_mean_clip > 25, "{name}");
    }
    // The seed's draw: RandomState(7).randint(50) is 47.
    request.seed = Some(7);
    assert_eq!(recover(&request, &Silent).unwrap().recovered[0].index, 47);
}

fn clips(dir: &Path, lengths: &[usize], hz: u32) {
    for (k, &len) in lengths.iter().enumerate() {
        let samples = (0..len).map(|t| ((t * (k + 3)) as f32 * 0.05).sin() * 0.3);
        let audio = Audio::mono(SampleRate::new(hz).unwrap(), samples.collect());
        let path = dir.join(format!("0_jackson_{hz}_{k}.wav"));
        encode::write(&path, &audio, SampleFormat::Float(32)).unwrap();
    }
}

#[test]
fn stray_files_neither_stop_nor_cut_what_is_recovered() {
    let dir = tempfile::tempdir().unwrap();
    clips(dir.path(), &[400, 370, 500, 390], 8000);
    let mut request = request(dir.path());
    request.held_out = Some(3);
    std::fs::write(dir.path().join("._0_jackson_8000_1.wav"), b"\0\x05\x16\x07").unwrap();
    request.prefix = String::new();
    let outcome = recover(&request, &Silent).unwrap();
    assert_eq!((outcome.clips, outcome.samples), (4, 370));
    // A clip of ten samples is left out, not all others cut to it.
    let short = Audio::mono(SampleRate::new(8000).unwrap(), vec![0.1; 10]);
    let path = dir.path().join("0_jackson_9.wav");
    encode::write(&path, &short, SampleFormat::Float(32)).unwrap();
    let outcome = recover(&request, &Silent).unwrap();
    assert_eq!((outcome.clips, outcome.samples), (4, 370));
    request.output = Some(dir.path().join("o.mp3"));
    let refused = format!("{:#}", recover(&request, &Silent).unwrap_err());
    assert!(refused.contains("written as WAV"), "{refused}");
}

#[test]
fn what_cannot_be_recovered_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |request: &Request| format!("{:#}", recover(request, &Silent).unwrap_err());
    let mut request = request(dir.path());
    assert!(refusal(&request).contains("0 clip(s) begin with \"0_jackson\""));
    clips(dir.path(), &[40, 37, 50, 39], 8000);
    assert!(refusal(&request).contains("use 0 to 3"));
    request.held_out = Some(2);
    assert_eq!(recover(&request, &Silent).unwrap().samples, 37);
    for portion in [0.0, 1.0, f64::NAN, 0.01] {
        request.portion = portion;
        assert!(refusal(&request).contains("portion"), "{portion}");
    }
    request.portion = 0.5;
    request.method = vec![MethodName::Pca];
    request.components = Some(9);
    assert!(refusal(&request).contains("between 1 and 2"));
    request.method = ALL.to_vec();
    request.components = None;
    request.held_out = None;
    request.output = Some(dir.path().join("all.wav"));
    assert!(refusal(&request).contains("--held-out"));
    assert!(!dir.path().join("all.wav").exists());
    clips(dir.path(), &[40], 44_100);
    assert!(refusal(&request).contains("all must have one rate"));
    request.dir = dir.path().join("nowhere");
    assert!(refusal(&request).contains("nowhere"));
}
