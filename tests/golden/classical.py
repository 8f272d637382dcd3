"""Predictive convolution, recovery and collage as scikit-learn, SciPy and NumPy compute them.

Features and targets, every estimator on both targets and in both directions, the waves they
make; the multi-target regression of a clip's deleted end; shuffled, interleaved and stretched
segments.
"""

import warnings

import numpy as np
from scipy.fftpack import fft, ifft
from scipy.interpolate import interp1d
from sklearn.linear_model import (
    BayesianRidge,
    LassoLars,
    LassoLarsCV,
    LinearRegression,
    PassiveAggressiveRegressor,
    RANSACRegressor,
)
from sklearn.metrics import r2_score
from sklearn.utils.random import sample_without_replacement

from common import SHARED, bells, chirps, save, to_int16, write_json

RATE = 44_100
# The first of a prime length; more than 700 samples, from where on RANSAC draws its subsets by
# rejection.
SHORT = {"A": slice(11_025, 11_025 + 2053), "B": slice(11_025, 11_025 + 2048)}
WAVES = ["ols", "ols_noint", "ols_cond1e6", "bayes", "lassolars", "lassolarscv", "pa"]
WAVES += ["ransac0", "ransac0_full"]
FULL_RANK = np.finfo(float).eps


def table(clip):
    """Features [n, 6] and targets [n, 2] of the notebook. FFTPACK leaves imag = −0 at DC and
    Nyquist, so a negative one has phase −π; the sine of 16-bit integers is single precision."""
    spectrum, sine = fft(clip), np.sin(clip)
    sine_spectrum = fft(sine)
    features = [clip, np.abs(spectrum), np.angle(spectrum)]
    features += [np.abs(sine_spectrum), np.angle(sine_spectrum), sine]
    stack = lambda columns: np.column_stack([c.astype(np.float64) for c in columns])
    return stack(features), stack([spectrum.real, spectrum.imag])


def estimator(name):
    ransac = dict(stop_probability=0.42, max_skips=50, random_state=0)
    return {
        "ols": lambda: LinearRegression(tol=FULL_RANK),
        "ols_cond1e6": lambda: LinearRegression(),
        "ols_noint": lambda: LinearRegression(fit_intercept=False, tol=FULL_RANK),
        "bayes": lambda: BayesianRidge(compute_score=True),
        "lassolars": lambda: LassoLars(alpha=0.42, fit_intercept=False, eps=0.2, max_iter=200),
        "lassolarscv": lambda: LassoLarsCV(max_iter=20, fit_intercept=False),
        "pa": lambda: PassiveAggressiveRegressor(C=0.42, random_state=42, max_iter=580),
        "ransac0": lambda: RANSACRegressor(**ransac),
        "ransac0_full": lambda: RANSACRegressor(LinearRegression(tol=FULL_RANK), **ransac),
    }[name]()


def pa_losses(x, y, model):
    """The mean loss of each pass, which scikit-learn only prints: its algorithm step by step,
    held to its coefficients bit by bit."""
    order, losses, best, unimproved = list(range(len(y))), [], np.inf, 0
    weights, intercept = [0.0] * x.shape[1], 0.0
    rows, squares = x.tolist(), [float(np.dot(row, row)) for row in x]
    seed = int(np.random.RandomState(42).randint(0, np.iinfo(np.int32).max))
    while unimproved < 5:
        state = seed  # the same permutation again, composed with the last order
        for i in range(len(y) - 1):
            state ^= state << 13 & 0xFFFFFFFF
            state ^= state >> 17
            state ^= state << 5 & 0xFFFFFFFF
            j = i + state % 2**31 % (len(y) - i)
            order[i], order[j] = order[j], order[i]
        total = 0.0
        for i in order:
            predicted = 0.0
            for w, v in zip(weights, rows[i]):
                predicted += w * v
            apart = y[i] - (predicted + intercept)
            loss = max(0.0, abs(apart) - 0.1)
            total += loss
            if loss == 0.0:
                continue
            square = 0.0
            for v in rows[i]:
                square += v * v
            update = min(0.42, loss / square) * (1 if apart > 0 else -1)
            weights = [w + update * v for w, v in zip(weights, rows[i])]
            intercept += update
        losses.append(total / len(y))
        unimproved = unimproved + 1 if losses[-1] > best - 1e-3 else 0
        best = min(best, losses[-1])
    assert weights == model.coef_.tolist() and [intercept] == model.intercept_.tolist()
    assert len(losses) == model.n_iter_
    return losses


def fit(name, x, y, short):
    """One target: the fitted model, and what is worth knowing of it."""
    with warnings.catch_warnings():
        # PassiveAggressiveRegressor goes in 1.10; RANSAC tells that skips ended it.
        warnings.simplefilter("ignore")
        model = estimator(name).fit(x, y)
    inner = model.estimator_ if name.startswith("ransac") else model
    facts = {"coef": inner.coef_, "intercept": float(np.ravel(inner.intercept_)[0])}
    if name == "bayes":
        facts |= {"n_iter": model.n_iter_, "alpha": model.alpha_, "lambda": model.lambda_}
        facts["scores"] = model.scores_
    elif name == "lassolars":
        facts |= {"n_iter": model.n_iter_, "path_alphas": model.alphas_, "active": model.active_}
    elif name == "lassolarscv":
        facts |= {"n_iter": model.n_iter_, "alpha": model.alpha_}
        if short:
            means = model.mse_path_.mean(axis=-1)
            facts |= {"cv_alphas": model.cv_alphas_, "cv_mse_mean": means}
    elif name == "pa":
        facts["n_iter"] = model.n_iter_
        if short:
            facts["epoch_objective"] = pa_losses(x, y, model)
    elif name.startswith("ransac"):
        facts |= {
            "n_trials": model.n_trials_,
            "n_skips_no_inliers": model.n_skips_no_inliers_,
            "n_inliers": int(model.inlier_mask_.sum()),
            "mad_threshold": np.median(np.abs(y - np.median(y))),
        }
        state = np.random.RandomState(0)
        draw = lambda: sample_without_replacement(len(y), x.shape[1] + 1, random_state=state)
        facts["subsets_first3"] = [draw().tolist() for _ in range(3)]
    else:
        facts |= {"rank": model.rank_, "singular": model.singular_}
    return model, facts


def finish(wave):
    """Peak 0.99, led in and out along straight lines of a twentieth of the length."""
    wave = wave / np.abs(wave).max() * 0.99
    steps = len(wave) // 20 + 1
    return np.concatenate([np.linspace(0, wave[0], steps), wave, np.linspace(wave[-1], 0, steps)])


def first_attempt(features):
    """The wave itself from the other columns, by Bayesian ridge."""
    x = features[:, [2, 1, 4, 3, 5]]
    model = BayesianRidge(compute_score=True).fit(x, features[:, 0])
    return {"coef": model.coef_, "intercept": model.intercept_, "n_iter": model.n_iter_}


def predictive(case, clips):
    """Every estimator in both directions: facts, and the waves of `WAVES` [9, n]."""
    tables = {name: table(clip) for name, clip in clips.items()}
    facts, waves = {}, {}
    for pair in ("AB", "BA"):
        (x, y), (onto, _) = tables[pair[0]], tables[pair[1]]
        facts[pair], rows = {}, []
        for name in WAVES:
            both = [fit(name, x, y[:, side], case == "short") for side in (0, 1)]
            real, imag = (model.predict(onto) for model, _ in both)
            rows.append(ifft(real + 1j * imag).real)
            facts[pair][name] = dict(zip(("real", "imag"), (f for _, f in both)))
            facts[pair][name]["wave_peak"] = np.abs(rows[-1]).max()
        facts[pair]["fail_bayes"] = first_attempt(x)
        waves[pair] = np.array(rows)
    return tables, facts, waves


def spoken(count, n, seed):
    """Clips of one kind: a gliding buzz through moving resonances, none quite like another."""
    chance = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        t = np.arange(n + chance.integers(0, n // 2)) / 8000
        pitch = 2 * np.pi * chance.uniform(0.97, 1.03) * (110 * t - 60 * t**2)
        formant = 2 * np.pi * chance.uniform(0.95, 1.05) * (500 * t + 900 * t**2)
        buzz = sum(np.sin(k * pitch + 0.3 * k) / k for k in range(1, 12))
        shape = np.exp(-((t / t[-1] - 0.45) ** 2) * 9)
        x = shape * (buzz + 0.6 * np.sin(formant)) + 0.01 * chance.standard_normal(len(t))
        clips.append(to_int16(x, chance.uniform(12_000, 32_000)))
    return clips


def recovered(clips, test, portion):
    """The deleted end of clip `test` from the kept beginning, as the seed's cells do it: facts,
    prediction, and its cast to 16 bits, which truncates and wraps."""
    n = min(len(clip) for clip in clips)
    data = np.array([clip[:n] for clip in clips])
    split = int(n * portion)
    train = np.delete(data, test, axis=0)
    model = LinearRegression().fit(train[:, :split], train[:, split:])
    predicted, truth = model.predict(data[[test], :split])[0], data[test, split:]
    mse = lambda guess: np.mean((truth - guess.astype(np.float64)) ** 2)
    facts = {
        "split": split,
        "rank": model.rank_,
        "mse": mse(predicted),
        "rmse": np.sqrt(mse(predicted)),
        "r2_over_time": r2_score(truth, predicted),
        "mse_zero": mse(np.zeros(len(truth))),
        "mse_mean_clip": mse(train[:, split:].mean(axis=0)),
        "n_out_of_i16": int(((predicted < -32768) | (predicted > 32767)).sum()),
    }
    # The platform's cast of doubles beyond 16 bits is undefined; through 64 bits it wraps.
    return facts, predicted, predicted.astype(np.int64).astype(np.int16)


def slew(start, end, values):
    """The collage notebooks' "slew": steps of the sum, not of the difference; in the type its
    ends have, so that 16-bit sums wrap."""
    with np.errstate(over="ignore"):
        step = (start + end) / values
        step = step if abs(start) < abs(end) else -step
    out = [start]
    for _ in range(values - 1):
        out.append(out[-1] + step)
    return np.array([*out, end])


def ended(x):
    """As the notebooks write it: peak 0.95, a slew of a twentieth on either side."""
    x = x / np.max(np.abs(x)) * 0.95
    values = len(x) // 20
    return np.concatenate([slew(0, x[0], values), x, slew(x[-1], 0, values)])


def jumbled(x, segments, order):
    """All but the last of the reordered segments, a slew between each two."""
    parts, out = np.array_split(x, segments), np.array([], dtype=np.int16)
    for i in order[:-1]:
        if len(out):
            steps = int(np.ceil(len(parts[i]) / 1000)) + 1
            out = np.append(out, slew(out[-1], parts[i][0], steps))
        out = np.append(out, parts[i])
    return out


def interleaved(a, b, segments):
    """Segments of two sounds in turn; the second slew takes the number of segments for the
    length of one."""
    out = np.array([], dtype=np.int16)
    for one, two in zip(np.array_split(a, segments), np.array_split(b, segments)):
        if len(out):
            steps = int(np.ceil(len(one) / 1000)) + 1
            out = np.append(out, slew(np.float64(out[-1]), one[0], steps))
        out = np.append(out, one)
        out = np.append(out, slew(one[-1], two[0], int(np.ceil(segments / 20)) + 1))
        out = np.append(out, two)
    return out


def stretched(x, factor):
    """Straight lines between samples; positions are a running sum that ends beyond the last."""
    count = int(np.ceil(len(x) * abs(factor)))
    ends = (0.0, float(len(x))) if factor > 0 else (float(len(x)), 0.0)
    line = interp1d(np.arange(len(x)), x.astype(np.float64), fill_value="extrapolate")
    return line(slew(*ends, count))


def collage(a, b):
    """Every array that the tests hold the `--compat` forms to."""
    np.random.seed(7)
    order50 = np.arange(50)
    np.random.shuffle(order50)
    order7 = [3, 0, 6, 2, 5, 1, 4]
    seven = jumbled(a, 7, order7)
    return {"order7": order7}, {
        "jumble_7": seven,
        "jumble_7_final": ended(seven),
        "jumble_50_seed7": jumbled(a, 50, order50),
        "interleave_20": interleaved(a, b, 20),
        "interleave_100": interleaved(a, b, 100),
        "stretch_2_5": stretched(a, 2.5),
        "stretch_0_42": stretched(a, 0.42),
        "stretch_m1_42": stretched(a, -1.42),
    }


def check_against_shared():
    """The same arithmetic on the recordings that lie beside some checkouts, against what the
    notebooks' own cells gave for them."""
    folder = SHARED / "fixtures/classical"
    if not folder.is_dir():
        print(f"not checked against the notebooks: {folder} is not here")
        return
    load = lambda name: np.load(folder / f"{name}.npy")
    a, b = load("clip_sec_A")[:, 0], load("clip_sec_B")
    features, targets = table(a[11_025 : 11_025 + 4099])
    # NumPy's magnitudes of complex numbers differ by an ulp between processors.
    assert np.allclose(features, load("short_features_A"), rtol=2e-7, atol=0)
    assert np.array_equal(targets, load("short_targets_A"))
    wave = load("short_wave_bayes_AB")
    assert np.abs(finish(wave) - load("short_final_bayes_AB")).max() < 1e-14
    _, arrays = collage(a[20_000:24_000], b[20_000:23_600])
    for name, array in arrays.items():
        assert np.array_equal(array, load(name.replace("interleave", "jumble2"))), name
    clips = list(load("fsdd_matrix"))
    for portion in (50, 25):
        facts, predicted, wrapped = recovered(clips, 47, portion / 100)
        stored = load(f"fsdd_pred_{portion}")
        assert np.abs(predicted - stored).max() < 1e-9 * np.abs(stored).max()
        assert np.array_equal(wrapped, load(f"fsdd_pred_{portion}_i16"))
    print("agrees with the notebooks' results")


def main():
    check_against_shared()
    clips = {
        "A": to_int16(bells(RATE, RATE, 1), 21_000),
        "B": to_int16(chirps(RATE, RATE, 2), 9_000),
    }
    pairs = {}
    for case in ("short", "second"):
        cut = {k: clip[SHORT[k]] if case == "short" else clip for k, clip in clips.items()}
        tables, pairs[case], waves = predictive(case, cut)
        for pair, rows in waves.items():
            save(f"classical/waves_{case}_{pair}", rows if case == "short" else rows[:, ::50])
        for name, (features, targets) in tables.items():
            both = np.column_stack([features, targets])
            if case == "short":
                save(f"classical/columns_short_{name}", both, "<f8")
            else:
                save(f"classical/columns_second_{name}", features[::50])
        if case == "short":
            wave = waves["AB"][WAVES.index("bayes")]
            save("classical/wave", wave, "<f8")
            save("classical/wave_finished", finish(wave), "<f8")
    for name, clip in clips.items():
        save(f"classical/clip_{name}", clip, "<i2")
    write_json("classical/estimators.json", pairs)

    spoken_clips = spoken(24, 1501, 3)
    n = min(map(len, spoken_clips))
    save("classical/spoken", [clip[:n] for clip in spoken_clips], "<i2")
    facts = {}
    for portion in (50, 25):
        facts[f"{portion}"], _, wrapped = recovered(spoken_clips, 11, portion / 100)
        save(f"classical/recovered_{portion}", wrapped, "<i2")
    write_json("classical/recovered.json", facts)

    orders, arrays = collage(clips["A"][20_000:22_000], clips["B"][20_000:21_800])
    write_json("classical/orders.json", orders)
    for name, array in arrays.items():
        save(f"classical/{name}", array, "<f8")


if __name__ == "__main__":
    main()
