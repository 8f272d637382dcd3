//! `train --init-from` a model file, and training that holds two sizes.

use crate::support::{Place, config, noise, through_effect};
use effigy::engine::Engine;
use effigy::formats;
use effigy::network::{Architecture, Network};

/// A place with 8 kHz recordings and a config whose `[model]` is `model`.
fn place(model: &str, training: &str, len: usize) -> Place {
    let place = Place::new();
    let dry = noise(len, 1);
    place.wav("wet.wav", vec![through_effect(&dry)]);
    place.wav("dry.wav", vec![dry]);
    place.write("t.toml", config(model, training));
    place
}

/// The same config without its `[model]` table.
fn without_model(place: &Place, name: &str) {
    let text = std::fs::read_to_string(place.path("t.toml")).unwrap();
    let (start, end) = (
        text.find("[model]").unwrap(),
        text.find("[baselines]").unwrap(),
    );
    place.write(name, format!("{}{}", &text[..start], &text[end..]));
}

fn done(place: &Place, arguments: &[&str]) {
    let said = place.effigy(arguments);
    assert_eq!(said.code, 0, "{arguments:?}: {}", said.stderr);
}

fn network(place: &Place, file: &str) -> Network {
    formats::read(&place.path(file)).unwrap().network
}

/// The largest difference between what two networks play.
fn difference(a: &Network, b: &Network) -> f32 {
    let dry = noise(2000, 9);
    let [a, b] = [a, b].map(|network| {
        let mut output = vec![0.0; dry.len()];
        Engine::new(network).unwrap().process(&dry, &mut output);
        output
    });
    let differences = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
    differences.fold(0.0, f32::max)
}

#[test]
fn a_model_file_is_where_training_goes_on() {
    for (model, file) in [
        (
            "kind = \"wavenet\"\nhead_scale = 0.5\n[[model.arrays]]\nchannels = 3\ndilations = [1, 2, 5]",
            "a.nam",
        ),
        ("kind = \"lstm\"\nhidden_size = 6\nskip = false", "a.nam"),
        ("kind = \"lstm\"\nhidden_size = 8", "a.aidax"),
        ("kind = \"gru\"\nhidden_size = 8", "a.aidax"),
        (
            "kind = \"conv-lstm\"\nchannels = 3\nhidden_size = 5",
            "a.safetensors",
        ),
        ("kind = \"tcn\"\nchannels = 3\nlayers = 2", "a.safetensors"),
        (
            "kind = \"conv\"\nchannels = 3\nkernel_size = 4",
            "a.safetensors",
        ),
    ] {
        let place = place(model, "epochs = 1\nlearning_rate = 0.01", 16_000);
        done(&place, &["-q", "train", "-c", "t.toml", "--run", "first"]);
        done(&place, &["-q", "export", "-m", "first", "-o", file]);
        // Steps too small to be heard: what comes out is what went in.
        let still = "training.learning_rate=1e-12";
        without_model(&place, "bare.toml");
        let named = file.ends_with("safetensors") && !model.contains("lstm");
        let config = if named { "t.toml" } else { "bare.toml" };
        let train = [
            "-q", "train", "-c", config, "--set", still, "--run", "second",
        ];
        done(&place, &[&train[..], &["--init-from", file]].concat());
        done(
            &place,
            &["-q", "export", "-m", "second", "-o", &format!("b{file}")],
        );
        let (before, after) = (network(&place, file), network(&place, &format!("b{file}")));
        let unmoved = difference(&before, &after);
        assert!(unmoved <= 1e-6, "{model}: {unmoved:e}");
        // With real steps it moves, and the run can be continued without the file.
        done(
            &place,
            &[
                "-q",
                "train",
                "-c",
                config,
                "--run",
                "third",
                "--init-from",
                file,
            ],
        );
        std::fs::remove_file(place.path(file)).unwrap();
        done(
            &place,
            &[
                "-q",
                "train",
                "--run",
                "third",
                "--resume",
                "--set",
                "training.epochs=2",
            ],
        );
        done(&place, &["-q", "export", "-m", "third", "-o", file]);
        let moved = difference(&before, &network(&place, file));
        assert!(moved > 1e-3, "{model}: {moved:e}");
    }
}

#[test]
fn a_file_that_does_not_fit_is_told_in_one_line() {
    let place = place(
        "kind = \"lstm\"\nhidden_size = 8\nskip = false",
        "epochs = 1",
        16_000,
    );
    done(&place, &["-q", "train", "-c", "t.toml", "--run", "r"]);
    done(&place, &["-q", "export", "-m", "r", "-o", "a.nam"]);
    let fails = |more: &[&str]| {
        let said = place.effigy(&[&["-q", "train", "-c", "t.toml", "--init-from"], more].concat());
        assert_eq!(said.code, 2);
        assert_eq!(said.stderr.trim().lines().count(), 1, "{}", said.stderr);
        said.stderr
    };
    let error = fails(&["a.nam", "--set", "model.hidden_size=9"]);
    assert!(
        error.contains("model.hidden_size is 9; allowed: 8, as in the file"),
        "{error}"
    );
    let error = fails(&["a.nam", "--set", "model.kind=gru"]);
    assert!(
        error.contains("model.kind is gru; allowed: lstm"),
        "{error}"
    );
    let error = fails(&["none.nam"]);
    assert!(error.contains("none.nam"), "{error}");
    place.write("x.json", "{\"in_shape\":[null,null,1],\"layers\":[{\"type\":\"dense\",\"activation\":\"\",\"shape\":[null,null,1],\"weights\":[[[2.0]],[0.5]]}]}");
    let error = fails(&["x.json"]);
    assert!(
        error.contains("x.json") && error.contains("can be trained"),
        "{error}"
    );
}

#[test]
fn two_sizes_learn_from_one_run() {
    let place = place(
        "kind = \"wavenet\"\npreset = \"a2\"",
        "epochs = 1\nlearning_rate = 0.004",
        80_000,
    );
    let fewer = [
        "--set",
        "windows.hop=12000",
        "--set",
        "windows.window_len=512",
    ];
    let train = ["-q", "train", "-c", "t.toml", "--seed", "3"];
    done(&place, &[&train[..], &fewer, &["--run", "r"]].concat());
    done(&place, &["-q", "export", "-m", "r", "-o", "a.nam"]);
    // Steps too small to change anything give the weights that the run began with.
    let still = ["--set", "training.learning_rate=1e-12", "--run", "still"];
    done(&place, &[&train[..], &fewer, &still].concat());
    done(&place, &["-q", "export", "-m", "still", "-o", "b.nam"]);
    let (moved, start) = (network(&place, "a.nam"), network(&place, "b.nam"));
    let sizes = |network: &Network| match &network.architecture {
        Architecture::Slimmable(slimmable) => slimmable.submodels.clone(),
        other => panic!("{}", other.family()),
    };
    for (moved, start) in sizes(&moved).iter().zip(sizes(&start)) {
        let (Architecture::WaveNet(a), Architecture::WaveNet(b)) =
            (&moved.network.architecture, &start.network.architecture)
        else {
            panic!()
        };
        let (a, b) = (&a.arrays[0], &b.arrays[0]);
        for (a, b) in [
            (&a.layers[0].conv.weight, &b.layers[0].conv.weight),
            (&a.head_rechannel.weight, &b.head_rechannel.weight),
        ] {
            let moved = a.iter().zip(b).map(|(a, b)| (a - b).abs());
            assert!(moved.fold(0.0, f32::max) > 1e-3);
        }
    }
}
