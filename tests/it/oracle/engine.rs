//! The engine's oracle: every network as its formula, over a whole signal, in double precision,
//! one sample and one channel at a time. Slow and obvious.
//!
//! Before the first sample all history is zero and recurrent layers stand in their described
//! initial state. Shares no arithmetic with the engine.

use effigy::network::*;

/// A signal `[channel][time]`.
type Signal = Vec<Vec<f64>>;

/// What `network` gives for `input` after `lead_in` zero samples (whose output is dropped), with
/// the knobs at `controls` or, where that is empty, at their defaults.
pub fn run(network: &Network, input: &[f32], controls: &[f32], lead_in: usize) -> Vec<f64> {
    network.validate().unwrap();
    let network = network.full();
    let controls: Vec<f64> = match controls {
        [] => network.controls.iter().map(|c| c.default.into()).collect(),
        given => given.iter().map(|c| f64::from(*c)).collect(),
    };
    assert_eq!(controls.len(), network.controls.len());
    let silence = std::iter::repeat_n(0.0, lead_in);
    let audio: Vec<f64> = silence.chain(input.iter().map(|x| f64::from(*x))).collect();
    let mut x = vec![audio];
    if network.architecture.input_channels() > 1 {
        x.extend(controls.iter().map(|c| vec![*c; lead_in + input.len()]));
    }
    let mut y = architecture(&network.architecture, &x, &controls).swap_remove(0);
    if !network.tail.is_empty() {
        y = filtered(&network.tail, &y);
    }
    y.split_off(lead_in)
}

/// Σ taps[i]·x[t − i], silence before the first sample.
fn filtered(taps: &[f32], x: &[f64]) -> Vec<f64> {
    let at = |t: usize| {
        let past = x[..=t].iter().rev().zip(taps);
        past.map(|(x, tap)| x * f64::from(*tap)).sum()
    };
    (0..x.len()).map(at).collect()
}

fn architecture(architecture: &Architecture, x: &Signal, controls: &[f64]) -> Signal {
    match architecture {
        Architecture::WaveNet(net) => wavenet(net, x, controls),
        Architecture::Sequential(Sequential { layers, .. }) => sequence(layers, x, controls),
        Architecture::Window(net) => vec![windows(net, &x[0])],
        Architecture::Slimmable(net) => match net.select(f64::INFINITY) {
            Some(network) => self::architecture(&network.architecture, x, controls),
            None => x.clone(),
        },
    }
}

fn sequence(layers: &[Layer], x: &Signal, controls: &[f64]) -> Signal {
    layers
        .iter()
        .fold(x.clone(), |x, layer| self::layer(layer, x, controls))
}

fn layer(layer: &Layer, x: Signal, controls: &[f64]) -> Signal {
    match layer {
        Layer::Conv1d(net) => conv(net, &x),
        Layer::Activation(function) => activation(function, &x),
        Layer::Affine(net) => affine(net, &x),
        Layer::Lstm(net) => lstm(net, &x),
        Layer::Gru(net) => gru(net, &x),
        Layer::S4d(net) => s4d(net, &x),
        Layer::Film(net) => film(net, &x, controls),
        Layer::Glu => {
            let (value, gate) = x.split_at(x.len() / 2);
            zip(&value.to_vec(), &gate.to_vec(), |v, g| v * sigmoid(g))
        }
        Layer::Residual(Residual { body, shortcut }) => {
            let y = sequence(body, &x, controls);
            match shortcut {
                Some(net) => zip(&y, &conv(net, &x), |a, b| a + b),
                None => zip(&y, &x, |a, b| a + b),
            }
        }
        Layer::Branches(net) => branches(net, &x, controls),
        Layer::TemporalFilm(net) => temporal_film(net, &x),
        Layer::Modulated(net) => vec![modulated(net, &x[0], controls)],
        Layer::Delay(delay) => x.iter().map(|row| delayed(row, delay.samples)).collect(),
    }
}

/// The value at every 16th sample, straight lines between, and the part at each sample by its own formula.
fn modulated(net: &Modulated, x: &[f64], controls: &[f64]) -> Vec<f64> {
    use std::f64::consts::TAU;
    let number = |at: usize| f64::from(net.numbers[at]);
    let second = |at: usize| net.second.get(at).map_or(0.0, |x| f64::from(*x));
    let (mut rates, mut depth, mut phases) = ([number(0), second(0)], 1.0, [0.0; 2]);
    if let [turn, faster, wider, rest @ ..] = controls {
        rates = rates.map(|rate| rate * faster);
        depth = *wider;
        let before = |turn: f64, rate: f64| turn - TAU * rate * net.silence as f64;
        phases = [
            before(*turn, rates[0]),
            rest.first().map_or(0.0, |turn| before(*turn, rates[1])),
        ];
    }
    let used = |t: usize| {
        let [angle, own] = [0, 1].map(|i| TAU * rates[i] * t as f64 + phases[i]);
        let harmonics = net
            .second
            .get(1..)
            .unwrap_or(&[])
            .chunks_exact(10)
            .enumerate();
        let swayed = harmonics.map(|(k, pairs)| {
            let sides = pairs.chunks_exact(2).enumerate().map(|(j, pair)| {
                let angle = (k + 1) as f64 * own + (j as f64 - 2.0) * angle;
                f64::from(pair[0]) * angle.cos() + f64::from(pair[1]) * angle.sin()
            });
            sides.sum::<f64>()
        });
        let swayed: f64 = swayed.sum();
        let terms = net.curve.chunks_exact(2).enumerate();
        let terms = terms.map(|(k, pair)| {
            let angle = (k + 1) as f64 * angle;
            f64::from(pair[0]) * angle.cos() + f64::from(pair[1]) * angle.sin()
        });
        let value = number(1) + depth * (terms.sum::<f64>() + swayed);
        match net.part {
            MovedPart::Gain => value,
            MovedPart::Delay => value.exp(),
            MovedPart::AllPass { .. } => {
                let w = (std::f64::consts::PI * value.exp()).tan();
                (w - 1.0) / (w + 1.0)
            }
        }
    };
    let at = |t: usize| {
        let f = (t % 16) as f64 / 16.0;
        (1.0 - f) * used(t - t % 16) + f * used(t - t % 16 + 16)
    };
    // The cubic through the four samples around (Lagrange), the line's own newest sample known.
    let between = |line: &[f64], now: usize, delay: f64| {
        let whole = delay.floor();
        let sample = |age: f64| match age {
            age if age < 0.0 || age > now as f64 => 0.0,
            age => line[now - age as usize],
        };
        if whole < 1.0 {
            return (1.0 - delay) * sample(0.0) + delay * sample(1.0);
        }
        let ages = [whole - 1.0, whole, whole + 1.0, whole + 2.0];
        let term = |i: usize| {
            let others = ages.iter().enumerate().filter(|(j, _)| *j != i);
            let weight: f64 = others.map(|(_, a)| (delay - a) / (ages[i] - a)).product();
            weight * sample(ages[i])
        };
        (0..4).map(term).sum::<f64>()
    };
    let feedback = number(2);
    let mut moved = vec![0.0; x.len()];
    match net.part {
        MovedPart::Gain => (0..x.len()).for_each(|t| moved[t] = at(t) * x[t]),
        MovedPart::Delay => {
            let mut line = vec![0.0; x.len()];
            for t in 0..x.len() {
                let delay = at(t).max(2.0);
                line[t] = x[t] + feedback * between(&line, t, delay);
                moved[t] = between(&line, t, (delay - 8.0).max(0.0));
            }
        }
        MovedPart::AllPass { stages } => {
            // y[t] = a·x[t] + x[t−1] − a·y[t−1] holds for a that stands still; of one that moves the state is
            // what the sample before left.
            let mut states = vec![0.0; stages];
            let mut last = 0.0;
            for t in 0..x.len() {
                let a = at(t);
                let mut y = x[t] + feedback * last;
                for state in &mut states {
                    let out = a * y + *state;
                    *state = y - a * out;
                    y = out;
                }
                last = y;
                moved[t] = y;
            }
        }
    }
    let sides = [
        filtered(&net.dry_filter, x),
        filtered(&net.wet_filter, &moved),
    ];
    sides[0].iter().zip(&sides[1]).map(|(a, b)| a + b).collect()
}

fn delayed(row: &[f64], samples: usize) -> Vec<f64> {
    std::iter::repeat_n(0.0, samples)
        .chain(row.iter().copied())
        .take(row.len())
        .collect()
}

/// Element by element over the channels both have.
fn zip(a: &Signal, b: &Signal, f: impl Fn(f64, f64) -> f64) -> Signal {
    let rows = a.iter().zip(b);
    rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| f(*a, *b)).collect())
        .collect()
}

fn conv(net: &Conv1d, x: &Signal) -> Signal {
    let len = x[0].len();
    let (inputs, outputs) = (net.in_channels / net.groups, net.out_channels / net.groups);
    let mut y = Vec::new();
    for o in 0..net.out_channels {
        let group = o / outputs;
        let mut row = vec![f64::from(net.bias.get(o).copied().unwrap_or(0.0)); len];
        for i in 0..inputs {
            for k in 0..net.kernel_size {
                let w = f64::from(net.weight[(o * inputs + i) * net.kernel_size + k]);
                let delay = (net.kernel_size - 1 - k) * net.dilation;
                for t in delay..len {
                    row[t] += w * x[group * inputs + i][t - delay];
                }
            }
        }
        y.push(row);
    }
    y
}

fn affine(net: &Affine, x: &Signal) -> Signal {
    let rows = x.iter().zip(net.scale.iter().zip(&net.shift));
    rows.map(|(row, (a, b))| {
        row.iter()
            .map(|x| f64::from(*a) * x + f64::from(*b))
            .collect()
    })
    .collect()
}

/// Scales, then offsets, from a signal of one sample per knob.
fn film(net: &Film, x: &Signal, controls: &[f64]) -> Signal {
    let knobs: Signal = controls.iter().map(|c| vec![*c]).collect();
    let values = sequence(&net.generator, &knobs, controls);
    let each = x.iter().enumerate();
    each.map(|(c, row)| {
        let scale = values[c][0];
        let shift = if net.shift {
            values[x.len() + c][0]
        } else {
            0.0
        };
        row.iter().map(|x| scale * x + shift).collect()
    })
    .collect()
}

/// Every sample by what the LSTM makes of the peaks of the blocks before its own.
fn temporal_film(net: &TemporalFilm, x: &Signal) -> Signal {
    let peak = |block: &[f64]| block.iter().fold(0.0f64, |most, x| most.max(x.abs()));
    let peaks = x
        .iter()
        .map(|row| row.chunks(net.block_size).map(peak).collect());
    let heard = lstm(&net.lstm, &peaks.collect());
    let first = state(&net.lstm.initial_hidden, net.lstm.hidden_size);
    let hidden = first.into_iter().zip(heard);
    let hidden: Signal = hidden
        .map(|(first, row)| [vec![first], row].concat())
        .collect();
    let values = conv(&net.projection, &hidden);
    let sample = |c: usize, t: usize| {
        let block = t / net.block_size;
        let shift = if net.shift {
            values[x.len() + c][block]
        } else {
            0.0
        };
        x[c][t] * (1.0 + values[c][block]) + shift
    };
    let row = |c: usize| (0..x[c].len()).map(|t| sample(c, t)).collect();
    (0..x.len()).map(row).collect()
}

fn branches(net: &Branches, x: &Signal, controls: &[f64]) -> Signal {
    let mut at = 0;
    let mut outputs = net
        .branches
        .iter()
        .enumerate()
        .map(|(i, layers)| match &net.split {
            Split::Copy => sequence(layers, x, controls),
            Split::Slice(widths) => {
                let slice = x[at..at + widths[i]].to_vec();
                at += widths[i];
                sequence(layers, &slice, controls)
            }
        });
    match net.join {
        Join::Concat => outputs.flatten().collect(),
        Join::Sum => {
            let first = outputs.next().unwrap_or_default();
            outputs.fold(first, |sum, y| zip(&sum, &y, |a, b| a + b))
        }
        Join::Product => {
            let first = outputs.next().unwrap_or_default();
            outputs.fold(first, |product, y| zip(&product, &y, |a, b| a * b))
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn activation(function: &Activation, x: &Signal) -> Signal {
    if let Activation::Softmax = function {
        let len = x[0].len();
        let sums: Vec<f64> = (0..len)
            .map(|t| x.iter().map(|row| row[t].exp()).sum())
            .collect();
        return x
            .iter()
            .map(|row| row.iter().zip(&sums).map(|(x, s)| x.exp() / s).collect())
            .collect();
    }
    let rows = x.iter().enumerate();
    rows.map(|(c, row)| row.iter().map(|x| element(function, *x, c)).collect())
        .collect()
}

/// One sample of channel `c`; the formulas are those of [`Activation`].
fn element(function: &Activation, x: f64, c: usize) -> f64 {
    let leaky = |slope: f32| if x > 0.0 { x } else { f64::from(slope) * x };
    match function {
        Activation::Identity | Activation::Softmax => x,
        Activation::Tanh => x.tanh(),
        Activation::FastTanh => fast_tanh(x),
        Activation::HardTanh { min, max } => x.clamp(f64::from(*min), f64::from(*max)),
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { slope } => leaky(*slope),
        Activation::PRelu { slopes } => leaky(slopes[c % slopes.len()]),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::LeakyHardTanh {
            min,
            max,
            min_slope,
            max_slope,
        } => {
            let (min, max) = (f64::from(*min), f64::from(*max));
            if x < min {
                (x - min) * f64::from(*min_slope) + min
            } else if x > max {
                (x - max) * f64::from(*max_slope) + max
            } else {
                x
            }
        }
        Activation::Softsign => x / (1.0 + x.abs()),
        Activation::Softsigmoid => 0.5 * (1.0 + x / (1.0 + x.abs())),
        Activation::Elu { alpha } => {
            if x > 0.0 {
                x
            } else {
                f64::from(*alpha) * x.exp_m1()
            }
        }
    }
}

/// The field's rational approximation of tanh; its constants are part of its definition.
fn fast_tanh(x: f64) -> f64 {
    let (size, square) = (x.abs(), x * x);
    let above = 2.45550750702956
        + 2.45550750702956 * size
        + (0.893229853513558 + 0.821226666969744 * size) * square;
    let below =
        2.44506634652299 + (2.44506634652299 + square) * (x + 0.814642734961073 * x * size).abs();
    x * above / below
}

/// Row `r` of a matrix `[rows][columns.len()]` times a column.
fn dot(matrix: &[f32], r: usize, column: &[f64]) -> f64 {
    let row = &matrix[r * column.len()..(r + 1) * column.len()];
    row.iter().zip(column).map(|(w, x)| f64::from(*w) * x).sum()
}

fn state(initial: &[f32], size: usize) -> Vec<f64> {
    if initial.is_empty() {
        return vec![0.0; size];
    }
    initial.iter().map(|x| f64::from(*x)).collect()
}

fn lstm(net: &Lstm, x: &Signal) -> Signal {
    let size = net.hidden_size;
    let (mut h, mut c) = (
        state(&net.initial_hidden, size),
        state(&net.initial_cell, size),
    );
    let mut y = vec![Vec::new(); size];
    for t in 0..x[0].len() {
        let now: Vec<f64> = x.iter().map(|row| row[t]).collect();
        let z: Vec<f64> = (0..4 * size)
            .map(|r| {
                f64::from(net.bias[r])
                    + dot(&net.weight_input, r, &now)
                    + dot(&net.weight_hidden, r, &h)
            })
            .collect();
        for j in 0..size {
            let [i, f, g, o] = [z[j], z[size + j], z[2 * size + j], z[3 * size + j]];
            c[j] = sigmoid(f) * c[j] + sigmoid(i) * g.tanh();
            h[j] = sigmoid(o) * c[j].tanh();
            y[j].push(h[j]);
        }
    }
    y
}

fn gru(net: &Gru, x: &Signal) -> Signal {
    let size = net.hidden_size;
    let mut h = state(&net.initial_hidden, size);
    let mut y = vec![Vec::new(); size];
    for t in 0..x[0].len() {
        let now: Vec<f64> = x.iter().map(|row| row[t]).collect();
        let rows = 0..3 * size;
        let input = rows
            .clone()
            .map(|r| f64::from(net.bias_input[r]) + dot(&net.weight_input, r, &now));
        let input: Vec<f64> = input.collect();
        let hidden = rows.map(|r| f64::from(net.bias_hidden[r]) + dot(&net.weight_hidden, r, &h));
        let hidden: Vec<f64> = hidden.collect();
        for j in 0..size {
            let reset = sigmoid(input[j] + hidden[j]);
            let keep = sigmoid(input[size + j] + hidden[size + j]);
            let new = (input[2 * size + j] + reset * hidden[2 * size + j]).tanh();
            h[j] = (1.0 - keep) * new + keep * h[j];
            y[j].push(h[j]);
        }
    }
    y
}

fn s4d(net: &S4d, x: &Signal) -> Signal {
    let rows = x.iter().enumerate();
    rows.map(|(channel, row)| {
        let at = channel * net.states;
        let mut state = vec![(0.0, 0.0); net.states];
        let sample = |x: &f64| {
            let mut y = f64::from(net.d[channel]) * x;
            for (n, s) in state.iter_mut().enumerate() {
                let (a, b) = (f64::from(net.a_re[at + n]), f64::from(net.a_im[at + n]));
                *s = (a * s.0 - b * s.1 + x, a * s.1 + b * s.0);
                y += f64::from(net.c_re[at + n]) * s.0 - f64::from(net.c_im[at + n]) * s.1;
            }
            y
        };
        row.iter().map(sample).collect()
    })
    .collect()
}

fn wavenet(net: &WaveNet, x: &Signal, controls: &[f64]) -> Signal {
    let condition = match &net.condition {
        Some(net) => architecture(net, x, controls),
        None => x.clone(),
    };
    let mut input = x.clone();
    let mut head: Option<Signal> = None;
    for array in &net.arrays {
        let mut x = conv(&array.rechannel, &input);
        for layer in &array.layers {
            let (next, term) = wave_layer(layer, &x, &condition);
            head = Some(head.map_or(term.clone(), |head| zip(&head, &term, |a, b| a + b)));
            x = next;
        }
        head = head.map(|head| conv(&array.head_rechannel, &head));
        input = x;
    }
    let scale = f64::from(net.head_scale);
    let head = head.unwrap_or_default();
    let y = zip(&head, &head, |y, _| scale * y);
    match &net.head {
        Some(PostStackHead {
            activation: function,
            convs,
        }) => convs
            .iter()
            .fold(y, |y, net| conv(net, &activation(function, &y))),
        None => y,
    }
}

/// (what the next layer receives, what is added to the head)
fn wave_layer(layer: &WaveLayer, x: &Signal, condition: &Signal) -> (Signal, Signal) {
    let films = &layer.films;
    let modulate = |film: &Option<WaveFilm>, x: Signal| modulate(film, x, condition);
    let convolved = conv(&layer.conv, &modulate(&films.conv_pre, x.clone()));
    let mixed = conv(&layer.mixer, &modulate(&films.mixer_pre, condition.clone()));
    let z = zip(
        &modulate(&films.conv_post, convolved),
        &modulate(&films.mixer_post, mixed),
        |a, b| a + b,
    );
    let z = modulate(&films.activation_pre, z);
    let first = z[..layer.bottleneck()].to_vec();
    let second = z[z.len() - layer.bottleneck()..].to_vec();
    let a = match &layer.gating {
        Gating::None => activation(&layer.activation, &first),
        Gating::Gated(gate) => zip(
            &activation(&layer.activation, &first),
            &activation(gate, &second),
            |a, g| a * g,
        ),
        Gating::Blended(blend) => {
            let (active, blend) = (
                activation(&layer.activation, &first),
                activation(blend, &second),
            );
            let kept = zip(&blend, &first, |b, x| (1.0 - b) * x);
            zip(&zip(&blend, &active, |b, a| b * a), &kept, |a, b| a + b)
        }
    };
    let a = modulate(&films.activation_post, a);
    let head = match &layer.head1x1 {
        Some(net) => modulate(&films.head1x1_post, conv(net, &a)),
        None => a.clone(),
    };
    let next = match &layer.layer1x1 {
        Some(net) => zip(x, &modulate(&films.layer1x1_post, conv(net, &a)), |x, y| {
            x + y
        }),
        None => x.clone(),
    };
    (next, head)
}

fn modulate(film: &Option<WaveFilm>, x: Signal, condition: &Signal) -> Signal {
    let Some(film) = film else { return x };
    let values = conv(&film.conv, condition);
    let scaled = zip(&x, &values, |x, scale| x * scale);
    match film.shift {
        true => zip(&scaled, &values[x.len()..].to_vec(), |x, shift| x + shift),
        false => scaled,
    }
}

/// Every window through the dense layers, added under the window function, then delayed.
///
/// Windows start at multiples of `hop`, the first ones before the signal so that every sample is
/// covered `window_len / hop` times.
fn windows(net: &WindowNetwork, x: &[f64]) -> Vec<f64> {
    let len = net.window_len;
    let mut sum = vec![0.0; x.len()];
    let first = -((len - net.hop) as isize);
    for start in (first..x.len() as isize).step_by(net.hop) {
        let at = |i: usize| usize::try_from(start + i as isize).ok();
        let window = (0..len).map(|i| at(i).and_then(|t| x.get(t)).copied().unwrap_or(0.0));
        let mut values: Vec<f64> = window.collect();
        for dense in &net.layers {
            let outputs = dense.bias.iter().enumerate();
            let z = outputs
                .map(|(r, b)| vec![f64::from(*b) + dot(&dense.weight, r, &values)])
                .collect();
            values = activation(&dense.activation, &z)
                .into_iter()
                .flatten()
                .collect();
        }
        for (i, value) in values.into_iter().enumerate() {
            if let Some(y) = at(i).and_then(|t| sum.get_mut(t)) {
                *y += value * window_weight(i, len, net.hop);
            }
        }
    }
    delayed(&sum, len - 1)
}

/// The periodic Hann window scaled so that windows `hop` apart sum to one; 1 without overlap.
fn window_weight(i: usize, window_len: usize, hop: usize) -> f64 {
    if hop == window_len {
        return 1.0;
    }
    let phase = std::f64::consts::TAU * i as f64 / window_len as f64;
    (1.0 - phase.cos()) * hop as f64 / window_len as f64
}
