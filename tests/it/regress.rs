//! Estimators against scikit-learn's results (`tests/golden/classical.py`) and against their own
//! laws.

use crate::golden;
use effigy::linalg::{Matrix, dot};
use effigy::progress::Silent;
use effigy::regress::bayesian_ridge::BayesianRidge;
use effigy::regress::estimator::{
    Settings, notebook_lasso_lars, notebook_lasso_lars_cv, notebook_passive_aggressive,
    notebook_ransac,
};
use effigy::regress::features::{self, Features};
use effigy::regress::lars::lasso_path;
use effigy::regress::lasso_lars::{LassoLarsCv, fold_sizes};
use effigy::regress::moments::{Linear, Moments, Problem};
use effigy::regress::predictive::{Mode, finish, from_spectrum};
use effigy::regress::ransac::Ransac;
use effigy::regress::rows::Rows;
use effigy::regress::{ols, ridge};
use serde_json::Value;

const SIDES: [&str; 2] = ["real", "imag"];
const FILES: [&str; 2] = ["A", "B"];
/// What is fitted to file .1 and predicts file .2.
const PAIRS: [(&str, usize, usize); 2] = [("AB", 0, 1), ("BA", 1, 0)];
const CLIPS: [&str; 2] = ["classical/clip_A.npy", "classical/clip_B.npy"];
/// Features and targets of the short case.
const COLUMNS: [&str; 2] = [
    "classical/columns_short_A.npy",
    "classical/columns_short_B.npy",
];
/// The rows of the arrays of waves.
const WAVES: [&str; 9] = [
    "ols",
    "ols_noint",
    "ols_cond1e6",
    "bayes",
    "lassolars",
    "lassolarscv",
    "pa",
    "ransac0",
    "ransac0_full",
];

/// Coefficients and what led to them, by case ("short", "second"), pair, estimator and side.
fn estimators() -> Value {
    golden::json("classical/estimators.json")
}

/// Features and targets of the short case as stored.
fn stored(file: usize) -> Data {
    let table = golden::array(COLUMNS[file]);
    Data::new((0..features::COLUMNS).map(|j| table.column(j)).collect())
}

/// A file's second in ±1.
fn clip(file: usize) -> Vec<f32> {
    let samples = golden::array(CLIPS[file]).values;
    samples.iter().map(|&x| x as f32 / 32_768.0).collect()
}

/// Columns with everything the estimators want from them.
struct Data {
    columns: Vec<Vec<f64>>,
    folds: Vec<Moments>,
    moments: Moments,
}

impl Data {
    fn new(columns: Vec<Vec<f64>>) -> Self {
        let mut start = 0;
        let folds: Vec<Moments> = fold_sizes(columns[0].len(), LassoLarsCv::FOLDS)
            .into_iter()
            .map(|size| {
                start += size;
                Moments::of(
                    &columns
                        .iter()
                        .map(|c| &c[start - size..start])
                        .collect::<Vec<_>>(),
                )
            })
            .collect();
        let moments = Moments::of(&columns.iter().map(Vec::as_slice).collect::<Vec<_>>());
        Self {
            columns,
            folds,
            moments,
        }
    }

    fn of(features: &Features) -> Self {
        let names: Vec<usize> = (0..features::COLUMNS).collect();
        Self::new(features.columns(0..features.len(), &names))
    }

    fn problem(&self, side: usize, fit_intercept: bool) -> Problem {
        self.moments.problem(6, 6 + side, fit_intercept)
    }

    fn rows(&self) -> Rows {
        let mut rows = Rows::with_capacity(6, self.columns[0].len());
        rows.extend(&self.columns[..6]);
        rows
    }
}

/// Every stored estimator on one target, by its name there, with its iteration count.
fn fit(name: &str, data: &Data, side: usize) -> (Linear, Option<usize>) {
    let settings = Settings::default();
    match name {
        "ols" => (
            ols::fit(&data.problem(side, true), None).unwrap().model,
            None,
        ),
        "ols_cond1e6" => (
            ols::fit(&data.problem(side, true), Some(1e-6))
                .unwrap()
                .model,
            None,
        ),
        "ols_noint" => (
            ols::fit(&data.problem(side, false), None).unwrap().model,
            None,
        ),
        "bayes" => {
            let fitted = BayesianRidge::default()
                .fit(&data.problem(side, true))
                .unwrap();
            (fitted.model, Some(fitted.n_iter))
        }
        "lassolars" => {
            let fitted = notebook_lasso_lars(&settings)
                .fit(&data.moments, 6, 6 + side)
                .unwrap();
            (fitted.model, Some(fitted.path.n_iter))
        }
        "lassolarscv" => {
            let fitted = notebook_lasso_lars_cv()
                .fit(&data.folds, 6, 6 + side)
                .unwrap();
            (fitted.fitted.model, Some(fitted.fitted.path.n_iter))
        }
        "pa" => {
            let pa = notebook_passive_aggressive(&settings);
            let fitted = pa
                .fit(&data.rows(), &data.columns[6 + side], &Silent)
                .unwrap();
            (fitted.model, Some(fitted.n_iter))
        }
        "ransac0" | "ransac0_full" => {
            let ransac = Ransac {
                rcond: (name == "ransac0").then_some(1e-6),
                ..notebook_ransac(&settings)
            };
            let fitted = ransac
                .fit(&data.rows(), &data.columns[6 + side], &Silent)
                .unwrap();
            (fitted.model, Some(fitted.n_trials))
        }
        other => panic!("unknown estimator {other}"),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

/// `max_j |Δw_j|·s_j / max_j |w_j|·s_j`: error in units of what each feature contributes. Some
/// coefficients are pure rounding noise (an even feature cannot explain an odd target), so
/// single coefficients must not be compared.
fn scaled_error(found: &[f64], want: &Value, moments: &Moments) -> f64 {
    let want = numbers(&want["coef"]);
    let mut worst = 0.0f64;
    let mut largest = 0.0f64;
    for (j, (found, want)) in found.iter().zip(&want).enumerate() {
        worst = worst.max((found - want).abs() * moments.std(j));
        largest = largest.max(want.abs() * moments.std(j));
    }
    if largest == 0.0 {
        worst
    } else {
        worst / largest
    }
}

fn iterations(want: &Value) -> Option<u64> {
    want["n_iter"].as_u64().or(want["n_trials"].as_u64())
}

/// Measured worst cases with a margin of about ten; stored features share every input bit, clips
/// differ by single-precision sines.
const FROM_STORED: [(&str, f64); 8] = [
    ("ols", 1e-12),
    ("ols_noint", 1e-12),
    ("bayes", 1e-9),
    ("lassolars", 1e-12),
    ("lassolarscv", 1e-9),
    ("pa", 0.0),
    ("ransac0", 1e-6),
    ("ransac0_full", 1e-6),
];
const FROM_CLIP: [(&str, f64); 9] = [
    ("ols", 1e-6),
    ("ols_cond1e6", 1e-6),
    ("ols_noint", 1e-6),
    ("bayes", 1e-7),
    ("lassolars", 1e-6),
    ("lassolarscv", 1e-6),
    ("pa", 5e-6),
    ("ransac0", 1e-6),
    ("ransac0_full", 1e-6),
];

fn check_fit(name: &str, tolerance: f64, data: &Data, want: &Value, label: &str) -> [Linear; 2] {
    [0, 1].map(|side| {
        let want = &want[SIDES[side]];
        let (model, count) = fit(name, data, side);
        let error = scaled_error(&model.coef, want, &data.moments);
        let label = format!("{label} {name} {}", SIDES[side]);
        eprintln!("{label}: scaled coefficient error {error:.2e}");
        assert!(error <= tolerance, "{label}: {error:e}");
        if let Some(count) = count {
            assert_eq!(Some(count as u64), iterations(want), "{label}");
        }
        let intercept = want["intercept"].as_f64().unwrap_or(0.0);
        if name == "pa" && tolerance == 0.0 {
            assert_eq!(model.intercept, intercept, "{label}");
        }
        model
    })
}

#[test]
fn estimators_agree_with_scikit_learn_on_stored_features() {
    let wanted = &estimators()["short"];
    for (pair, from, _) in PAIRS {
        let data = stored(from);
        for (name, tolerance) in FROM_STORED {
            let label = format!("short {pair}");
            check_fit(name, tolerance, &data, &wanted[pair][name], &label);
        }
    }
}

#[test]
fn estimators_and_waves_agree_with_scikit_learn_from_the_clip() {
    let wanted = estimators();
    let short = |file: usize, len: usize| clip(file)[11_025..11_025 + len].to_vec();
    // Every sample of the short case's waves, every 50th of a second's.
    let cases = [
        (
            "short",
            [short(0, 2053), short(1, 2048)],
            1,
            [
                "classical/waves_short_AB.npy",
                "classical/waves_short_BA.npy",
            ],
        ),
        (
            "second",
            [clip(0), clip(1)],
            50,
            [
                "classical/waves_second_AB.npy",
                "classical/waves_second_BA.npy",
            ],
        ),
    ];
    for (case, sounds, stride, waves) in cases {
        let features = sounds.map(|x| Features::new(case, &x).unwrap());
        for ((pair, from, to), waves) in PAIRS.into_iter().zip(waves) {
            let data = Data::of(&features[from]);
            let waves = golden::array(waves);
            for (name, tolerance) in FROM_CLIP {
                let label = format!("{case} {pair}");
                let want = &wanted[case][pair][name];
                let [real, imag] = check_fit(name, tolerance, &data, want, &label);
                let wave = from_spectrum(&features[to], &real, &imag);
                let row = WAVES.iter().position(|wave| *wave == name).unwrap();
                let peak = want["wave_peak"].as_f64().unwrap();
                check_wave(
                    &format!("{label} {name}"),
                    &wave,
                    stride,
                    waves.row(row),
                    peak,
                );
            }
        }
    }
}

/// Every `stride`th sample, and the peak, within 10⁻⁶ of the peak.
fn check_wave(label: &str, wave: &[f64], stride: usize, samples: &[f64], peak: f64) {
    let pairs = wave.iter().step_by(stride).zip(samples);
    let worst = pairs.map(|(w, s)| (w - s).abs() / peak).fold(0.0, f64::max);
    eprintln!("{label}: wave error {worst:.2e} of the peak");
    assert_eq!(samples.len(), wave.len().div_ceil(stride));
    assert!(worst <= 1e-6, "{label}: {worst:e}");
    let found_peak = wave.iter().fold(0.0f64, |m, x| m.max(x.abs()));
    assert!(
        (found_peak / peak - 1.0).abs() <= 1e-6,
        "{label}: peak {found_peak}"
    );
}

#[test]
fn the_finished_wave_and_the_first_attempt_agree() {
    let wave = golden::array("classical/wave.npy").values;
    let want = golden::array("classical/wave_finished.npy").values;
    let found = finish(&wave, 0.99);
    assert_eq!(found.len(), want.len());
    for (f, w) in found.iter().zip(&want) {
        assert!((f - w).abs() < 1e-12, "{f} {w}");
    }

    let wanted = &estimators()["short"];
    for (pair, from, _) in PAIRS {
        let stored = stored(from);
        let columns = Mode::Waveform
            .features()
            .iter()
            .chain(Mode::Waveform.targets());
        let data = Data::new(columns.map(|&c| stored.columns[c].clone()).collect());
        let fitted = BayesianRidge::default()
            .fit(&data.moments.problem(5, 5, true))
            .unwrap();
        let want = &wanted[pair]["fail_bayes"];
        let error = scaled_error(&fitted.model.coef, want, &data.moments);
        assert!(error < 1e-9, "{pair}: {error:e}");
        assert_eq!(fitted.n_iter as u64, want["n_iter"].as_u64().unwrap());
    }
}

#[test]
fn what_led_to_the_fits_agrees() {
    let wanted = &estimators()["short"];
    for (pair, from, _) in PAIRS {
        let data = stored(from);
        for (side, side_name) in SIDES.into_iter().enumerate() {
            let relative = |found: f64, want: &Value, tolerance: f64, what: &str| {
                let want = want.as_f64().unwrap();
                let error = (found - want).abs() / want.abs();
                assert!(
                    error <= tolerance,
                    "{pair} {side_name} {what}: {found} {want}"
                );
            };
            let want = |name: &str| wanted[pair][name][side_name].clone();

            let bayes = BayesianRidge::default()
                .fit(&data.problem(side, true))
                .unwrap();
            relative(bayes.alpha, &want("bayes")["alpha"], 1e-9, "alpha");
            relative(bayes.lambda, &want("bayes")["lambda"], 1e-9, "lambda");
            let scores = numbers(&want("bayes")["scores"]);
            assert_eq!(scores.len(), bayes.scores.len());
            for (found, want) in bayes.scores.iter().zip(scores) {
                assert!((found / want - 1.0).abs() < 1e-11, "{found} {want}");
            }

            let path = notebook_lasso_lars(&Settings::default())
                .fit(&data.moments, 6, 6 + side)
                .unwrap()
                .path;
            let alphas = numbers(&want("lassolars")["path_alphas"]);
            assert_eq!(alphas.len(), path.alphas.len());
            for (found, alpha) in path.alphas.iter().zip(alphas) {
                assert!((found / alpha - 1.0).abs() < 1e-9, "{found} {alpha}");
            }
            let active: Vec<usize> =
                serde_json::from_value(want("lassolars")["active"].clone()).unwrap();
            assert_eq!(path.active, active);

            let cv = notebook_lasso_lars_cv()
                .fit(&data.folds, 6, 6 + side)
                .unwrap();
            let alphas = numbers(&want("lassolarscv")["cv_alphas"]);
            let errors = numbers(&want("lassolarscv")["cv_mse_mean"]);
            let mut reference: Vec<(f64, f64)> = alphas.into_iter().zip(errors).collect();
            // Bends of two folds at one penalty: rounding tells them apart there, not here.
            reference.dedup_by(|b, a| b.0 - a.0 <= 1e-12 * a.0);
            assert_eq!(cv.cv_alphas.len(), reference.len());
            for ((found, mse), (alpha, want)) in cv.cv_alphas.iter().zip(&cv.mse).zip(reference) {
                // Small penalties are differences of large correlations.
                assert!(
                    (found - alpha).abs() < 1e-9 * alpha + 1e-6,
                    "{found} {alpha}"
                );
                let mean = mse.iter().sum::<f64>() / 5.0;
                assert!((mean / want - 1.0).abs() < 1e-11, "{mean} {want}");
            }

            let losses = numbers(&want("pa")["epoch_objective"]);
            let pa = notebook_passive_aggressive(&Settings::default())
                .fit(&data.rows(), &data.columns[6 + side], &Silent)
                .unwrap();
            assert_eq!(pa.losses, losses);

            let ransac = Ransac {
                rcond: Some(1e-6),
                ..notebook_ransac(&Settings::default())
            }
            .fit(&data.rows(), &data.columns[6 + side], &Silent)
            .unwrap();
            let want = want("ransac0");
            let subsets: Vec<Vec<u32>> =
                serde_json::from_value(want["subsets_first3"].clone()).unwrap();
            assert_eq!(ransac.subsets[..3], subsets);
            assert_eq!(ransac.n_inliers as u64, want["n_inliers"].as_u64().unwrap());
            assert_eq!(
                ransac.n_skips_no_inliers as u64,
                want["n_skips_no_inliers"].as_u64().unwrap()
            );
            relative(
                ransac.residual_threshold,
                &want["mad_threshold"],
                1e-12,
                "MAD",
            );
        }
        let found = ols::fit(&data.problem(0, true), None).unwrap();
        let want = wanted[pair]["ols"]["real"]["singular"].clone();
        for (found, want) in found.singular.iter().zip(numbers(&want)) {
            assert!((found / want - 1.0).abs() < 1e-8, "{found} {want}");
        }
    }
}

#[test]
fn features_agree_with_scipys() {
    let stored = [
        "classical/columns_second_A.npy",
        "classical/columns_second_B.npy",
    ];
    for (number, file) in FILES.into_iter().enumerate() {
        let features = Features::new(file, &clip(number)).unwrap();
        let stored = golden::array(stored[number]);
        for column in 0..6 {
            let want = stored.column(column);
            let names = [column];
            let found = features.columns(0..features.len(), &names).remove(0);
            let size = want.iter().fold(0.0f64, |m, x| m.max(x.abs()));
            for (k, want) in want.iter().enumerate() {
                let mut error = (found[50 * k] - want).abs() / size;
                if column == features::SINE_PHASE {
                    // Single-precision transform there: phases of weak bins turn by more.
                    error *= 1e-2;
                }
                assert!(
                    error < 1e-6,
                    "{file} {} bin {}",
                    features::NAMES[column],
                    50 * k
                );
            }
        }
        // Negative real DC and Nyquist have phase −π, as FFTPACK's −0 gives.
        let phases = features
            .columns(0..features.len(), &[features::RAW_PHASE])
            .remove(0);
        let parts = features
            .columns(0..features.len(), &[features::REAL])
            .remove(0);
        for k in [0, features.len() / 2] {
            let want = if parts[k] < 0.0 {
                -std::f64::consts::PI
            } else {
                0.0
            };
            assert_eq!(phases[k], want);
        }
    }
}

// ---- Laws that hold on any data ----

/// Reproducible correlated features of very different sizes and a noisy target.
fn synthetic(rows: usize) -> (Matrix, Vec<f64>) {
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    let sizes = [1e4, 1.0, 30.0, 1e-2, 5.0];
    let mut x = Matrix::zeros(rows, 5);
    let mut y = vec![0.0; rows];
    for i in 0..rows {
        let common = next();
        for (j, size) in sizes.iter().enumerate() {
            x[(i, j)] = size * (next() + 0.6 * common + 0.2 * j as f64);
        }
        y[i] = 3.0 + x[(i, 0)] * 2e-4 - x[(i, 1)] + 40.0 * x[(i, 3)] + 0.5 * next();
    }
    (x, y)
}

fn moments(x: &Matrix, y: &[f64]) -> Moments {
    let mut columns: Vec<&[f64]> = (0..x.columns()).map(|j| x.column(j)).collect();
    columns.push(y);
    Moments::of(&columns)
}

#[test]
fn least_squares_leaves_a_residual_orthogonal_to_every_feature() {
    let (x, y) = synthetic(3000);
    for fit_intercept in [true, false] {
        let fitted = ols::fit(&moments(&x, &y).problem(5, 5, fit_intercept), None).unwrap();
        let predicted = x.times_vector(&fitted.model.coef);
        let pairs = y.iter().zip(predicted);
        let residual: Vec<f64> = pairs.map(|(y, p)| y - p - fitted.model.intercept).collect();
        let norm = |v: &[f64]| dot(v, v).sqrt();
        for j in 0..5 {
            let cosine = dot(x.column(j), &residual) / (norm(x.column(j)) * norm(&residual));
            // Rounding of 3000-term sums; a coefficient off by 1e-9 of its size shows as 1e-9.
            assert!(cosine.abs() < 1e-12, "feature {j}: {cosine:e}");
        }
        if fit_intercept {
            assert!(residual.iter().sum::<f64>().abs() < 1e-9);
        }
        assert_eq!(fitted.rank, 5);
    }
}

#[test]
fn the_lasso_path_is_piecewise_linear_optimal_and_ends_at_least_squares() {
    let (x, y) = synthetic(500);
    let problem = moments(&x, &y).problem(5, 5, true);
    let path = lasso_path(&problem, 0.0, 100, f64::EPSILON);
    let ols = ols::fit(&problem, None).unwrap().model;
    for (found, want) in path.last().iter().zip(&ols.coef) {
        assert!((found / want - 1.0).abs() < 1e-9, "{found} {want}");
    }
    assert!(path.alphas.windows(2).all(|pair| pair[0] > pair[1]));
    assert_eq!(path.coefs[0], vec![0.0; 5]);
    // Optimality at the bends and between them: interpolated coefficients satisfy the lasso's
    // conditions (correlation = n·alpha·sign where used, at most that elsewhere).
    for pair in path.alphas.windows(2) {
        for share in [0.0, 0.3, 0.8] {
            let alpha = pair[0] + share * (pair[1] - pair[0]);
            let w = path.at(alpha);
            let fitted = problem.gram.times_vector(&w);
            let pairs = problem.xty.iter().zip(fitted);
            let correlation: Vec<f64> = pairs.map(|(c, f)| c - f).collect();
            let limit = alpha * problem.samples as f64;
            let slack = 1e-9 * path.alphas[0] * problem.samples as f64;
            for j in 0..5 {
                if w[j] == 0.0 {
                    assert!(
                        correlation[j].abs() <= limit + slack,
                        "alpha {alpha} feature {j}"
                    );
                } else {
                    let want = limit * w[j].signum();
                    assert!(
                        (correlation[j] - want).abs() <= slack,
                        "alpha {alpha} feature {j}"
                    );
                }
            }
            // Stopping the path there gives the same coefficients.
            let stopped = lasso_path(&problem, alpha, 100, f64::EPSILON).last();
            for j in 0..5 {
                let size = problem.gram[(j, j)].sqrt();
                assert!((stopped[j] - w[j]).abs() * size < 1e-9 * problem.yty.sqrt());
            }
        }
    }
}

#[test]
fn a_coefficient_that_changes_sign_leaves_the_lasso_path() {
    // The first feature is close to the sum of the two causes, so it enters first with a
    // positive coefficient; least squares gives it a negative one.
    let (mut x, noise) = synthetic(400);
    let cause = |x: &Matrix, i: usize| x[(i, 2)] / 30.0 + x[(i, 4)] / 5.0;
    for i in 0..x.rows() {
        x[(i, 0)] = (cause(&x, i) + x[(i, 0)] * 3e-5) * 100.0;
    }
    let target = |i: usize| cause(&x, i) - x[(i, 0)] * 1e-3 + noise[i] * 0.01;
    let y: Vec<f64> = (0..x.rows()).map(target).collect();
    let problem = moments(&x, &y).problem(5, 5, true);
    let path = lasso_path(&problem, 0.0, 100, f64::EPSILON);
    let first = |k: usize| path.coefs[k][0];
    assert!(first(1) > 0.0 && path.last()[0] < 0.0, "{path:?}");
    assert!((2..path.n_iter).any(|k| first(k) == 0.0), "{path:?}");
    assert!(path.n_iter > 5);
    let ols = ols::fit(&problem, None).unwrap().model;
    for j in 0..5 {
        let size = problem.gram[(j, j)].sqrt();
        let error = (path.last()[j] - ols.coef[j]).abs() * size / problem.yty.sqrt();
        assert!(error < 1e-9, "feature {j}: {error:e}");
    }
}

#[test]
fn ridge_becomes_least_squares_as_the_penalty_vanishes_and_shrinks_as_it_grows() {
    let (x, y) = synthetic(1000);
    let problem = moments(&x, &y).problem(5, 5, true);
    let ols = ols::fit(&problem, None).unwrap().model;
    let distance = |alpha: f64| {
        let model = ridge::fit(&problem, alpha).unwrap();
        let terms = model.coef.iter().zip(&ols.coef).enumerate();
        terms
            .map(|(j, (a, b))| (a - b).abs() * problem.gram[(j, j)].sqrt())
            .fold(0.0, f64::max)
    };
    let distances: Vec<f64> = [1e-3, 1e-5, 1e-7, 1e-9].map(distance).to_vec();
    for pair in distances.windows(2) {
        // Distance is proportional to a small penalty.
        assert!(pair[1] < pair[0] / 50.0, "{distances:?}");
    }
    assert!(distance(0.0) < 1e-10);
    let energy = |alpha: f64| -> f64 {
        ridge::fit(&problem, alpha)
            .unwrap()
            .coef
            .iter()
            .map(|w| w * w)
            .sum()
    };
    let energies = [0.0, 1.0, 1e3, 1e6, 1e9].map(energy);
    assert!(
        energies.windows(2).all(|pair| pair[1] < pair[0]),
        "{energies:?}"
    );
    assert!(ridge::fit(&problem, -1.0).is_err());
}

#[test]
fn the_evidence_never_decreases_beyond_rounding() {
    for rows in [30, 300, 3000] {
        let (x, y) = synthetic(rows);
        let strict = BayesianRidge {
            tol: 0.0,
            max_iter: 60,
            ..BayesianRidge::default()
        };
        let fitted = strict.fit(&moments(&x, &y).problem(5, 5, true)).unwrap();
        // The last score mixes two iterations, as scikit-learn's does.
        let scores = &fitted.scores[..fitted.n_iter];
        for pair in scores.windows(2) {
            let rounding = 1e-12 * pair[0].abs().max(rows as f64);
            assert!(pair[1] >= pair[0] - rounding, "{rows} rows: {scores:?}");
        }
        assert!(scores[scores.len() - 1] > scores[0]);
    }
}

#[test]
fn moments_predict_r2_as_the_samples_do() {
    let (x, y) = synthetic(700);
    let data = moments(&x, &y);
    let model = Linear {
        coef: vec![1e-4, -0.8, 0.01, 30.0, 0.1],
        intercept: 2.0,
    };
    let rows = x.transposed();
    let predicted = (0..x.rows()).map(|i| model.predict(rows.column(i)));
    let error: f64 = predicted.zip(&y).map(|(p, y)| (p - y).powi(2)).sum();
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let total: f64 = y.iter().map(|v| (v - mean).powi(2)).sum();
    assert!((data.r2(5, &model) - (1.0 - error / total)).abs() < 1e-11);
}

#[test]
fn dependent_features_are_cut_and_the_shortest_solution_found() {
    let (mut x, y) = synthetic(200);
    let copy = x.column(1).to_vec();
    x.column_mut(4).copy_from_slice(&copy);
    let data = moments(&x, &y).problem(5, 5, true);
    let fitted = ols::fit(&data, None).unwrap();
    assert_eq!(fitted.rank, 4);
    // Of all ways to share the coefficient between the two copies, equal shares are shortest.
    let (a, b) = (fitted.model.coef[1], fitted.model.coef[4]);
    assert!((a / b - 1.0).abs() < 1e-5, "{a} {b}");
    assert!(ols::fit(&data, Some(1.0)).is_err());
    assert!(ols::fit(&data, Some(-0.1)).is_err());
}
