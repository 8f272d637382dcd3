"""STFT, inverse, mel energies, decibels and orders of frames as librosa and scikit-learn compute
them, and the notebooks' effects on spectra."""

import json
import random

import librosa
import numpy as np
from sklearn.decomposition import PCA

from common import HERE, SHARED, save, write_json

RATE, WINDOW, HOP, MELS = 44_100, 2000, 400, 128


def stft(x, n_fft=2048):
    return librosa.stft(x, n_fft=n_fft, hop_length=HOP, win_length=WINDOW)


def istft(spectra, n_fft=2048):
    return librosa.istft(spectra, n_fft=n_fft, hop_length=HOP, win_length=WINDOW)


def mel_energies(x, n_fft=2048):
    settings = dict(n_fft=n_fft, hop_length=HOP, win_length=WINDOW, n_mels=MELS)
    return librosa.feature.melspectrogram(y=x, sr=RATE, **settings)


def by_pca(features):
    """Frames by their first principal component, and how well the order is determined."""
    pca = PCA(n_components=1)
    scores = pca.fit_transform(features.T)[:, 0]
    order = np.argsort(scores, kind="stable")
    gap = np.diff(np.sort(scores)).min()
    facts = {"pca_order": order, "pc1_scores": scores}
    return facts | {"pc1_explained_ratio": pca.explained_variance_ratio_[0], "gap": gap}


def volume_scaled(mel):
    """Every band's frames sum to one."""
    return mel / mel.sum(axis=1, keepdims=True)


def log_scaled(mel):
    """The notebook's weighting multiplies by a matrix of equal rows: each frame keeps one
    number, its weighted loudness, in every band."""
    weights = np.log(np.arange(len(mel) + 1, 1, -1))
    return np.tile(weights, (len(mel), 1)) @ mel


def shuffled_rows(n):
    """Where each row comes from after `random.shuffle` on a 2-D array, which swaps views."""
    rows = np.arange(n)[:, None].copy()
    random.seed(42)
    random.shuffle(rows)
    return rows[:, 0]


def variants(spectra):
    return {
        "inverted": spectra[::-1],
        "dropped_phase": np.abs(spectra).astype(spectra.dtype),
        "real_only_imag1": spectra.real + 1j,
        "shuffled": spectra[shuffled_rows(len(spectra))],
    }


def rms(x):
    return np.sqrt(np.mean(x.astype(np.float64) ** 2))


def everything(x):
    """Arrays and facts by the names that the tests know."""
    arrays, facts = {}, {}
    for n_fft, every in ((2048, 10), (2000, 30)):
        some = stft(x, n_fft)[:, ::every]
        arrays[f"stft_{n_fft}"] = np.stack([some.real, some.imag], axis=-1)
        db = librosa.amplitude_to_db(mel_energies(x, n_fft))
        facts[f"n_fft_{n_fft}"] = by_pca(db)
    spectra, mel = stft(x), mel_energies(x)
    arrays["mel"], arrays["mel_db"] = mel, librosa.amplitude_to_db(mel)
    arrays["istft"] = istft(spectra)[::3]
    arrays["istft_pca"] = istft(spectra[:, facts["n_fft_2048"]["pca_order"]])[::4]
    bank = librosa.filters.mel(sr=RATE, n_fft=2048, n_mels=MELS)
    arrays["melbank_places"] = np.argwhere(bank)
    arrays["melbank_weights"] = bank[bank != 0]
    by_band = by_pca(librosa.amplitude_to_db(volume_scaled(mel)))
    by_loudness = by_pca(librosa.amplitude_to_db(log_scaled(mel)))
    facts["volume_scaling"] = {k: by_band[k] for k in ("pca_order", "gap")}
    facts["log_scaling"] = {k: by_loudness[k] for k in ("pca_order", "gap")}
    facts["log_scaling"]["row0_head"] = log_scaled(mel)[0, :6]
    for name, changed in variants(spectra).items():
        sound = istft(changed)
        arrays[f"variant_{name}"], facts[f"variant_{name}"] = sound[::12], {"rms": rms(sound)}
    arrays["shuffle_source_row"] = shuffled_rows(1025)
    facts["shuffle_distinct_rows"] = len(set(shuffled_rows(1025).tolist()))
    return arrays, facts


def check_against_shared():
    """The same on the recording that lies beside some checkouts, against what the notebooks' own
    cells gave for it."""
    folder = SHARED / "fixtures/classical"
    if not folder.is_dir():
        print(f"not checked against the notebooks: {folder} is not here")
        return
    load = lambda name: np.load(folder / f"{name}.npy")
    clip = load("clip_sec_A").astype(np.float32).mean(axis=1) / 32768
    arrays, facts = everything(clip)
    close = lambda a, b: np.abs(a - b).max() <= 1e-6 * np.abs(b).max()
    for mine, theirs in {
        "stft_2048": "stft_nfft2048_every10",
        "stft_2000": "stft_nfft2000_every30",
        "mel": "mel_nfft2048",
        "mel_db": "mel_db_nfft2048",
        "istft_pca": "istft_pca_nfft2048",
        "melbank_places": "melbank_ij",
        "melbank_weights": "melbank_v",
        "variant_inverted": "variant_inverted",
        "variant_dropped_phase": "variant_dropped_phase",
        "variant_real_only_imag1": "variant_real_only_imag1",
        "variant_shuffled": "variant_shuffled_seedlike",
        "shuffle_source_row": "seed_shuffle_source_row",
    }.items():
        assert close(arrays[mine], load(theirs)), mine
    stored = json.loads((folder / "manifest.json").read_text())["librosa"]
    for n_fft in ("n_fft_2048", "n_fft_2000"):
        assert facts[n_fft]["pca_order"].tolist() == stored[n_fft]["pca_order"]
    for name in ("volume_scaling", "log_scaling"):
        assert facts[name]["pca_order"].tolist() == stored[f"{name}_pca_order"]
    print("agrees with the notebooks' results")


def main():
    check_against_shared()
    clip = np.load(HERE / "classical/clip_A.npy").astype(np.float32) / 32768
    arrays, facts = everything(clip)
    for name, found in facts.items():
        if isinstance(found, dict) and "gap" in found:
            # Single precision leaves 1e-4 of the scores' size; the orders must not hang on it.
            assert found["gap"] > 2.5e-4, f"{name}: frames too alike, {found.pop('gap')}"
            del found["gap"]
    for name, array in arrays.items():
        whole = np.issubdtype(array.dtype, np.integer)
        save(f"spectra/{name}", array, "<i2" if whole else "<f4")
    write_json("spectra/orders.json", facts)


if __name__ == "__main__":
    main()
