//! Small random networks of every family, for properties that must hold for all of them.

use effigy::network::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A source of random networks.
pub struct Dice(pub ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn size(&mut self, most: usize) -> usize {
        self.0.random_range(1..=most)
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.0.random_range(0..choices.len())].clone()
    }

    /// Numbers between −bound and bound.
    pub fn numbers(&mut self, len: usize, bound: f32) -> Vec<f32> {
        (0..len)
            .map(|_| self.0.random_range(-bound..=bound))
            .collect()
    }

    /// Audio between −0.7 and 0.7.
    pub fn audio(&mut self, len: usize) -> Vec<f32> {
        self.numbers(len, 0.7)
    }

    pub fn activation(&mut self, channels: usize) -> Activation {
        let slopes = self.numbers(channels, 0.5);
        self.pick(&[
            Activation::Tanh,
            Activation::Tanh,
            Activation::Identity,
            Activation::FastTanh,
            Activation::HardTanh {
                min: -0.5,
                max: 0.4,
            },
            Activation::Relu,
            Activation::LeakyRelu { slope: 0.01 },
            Activation::PRelu { slopes },
            Activation::Sigmoid,
            Activation::Silu,
            Activation::HardSwish,
            Activation::LeakyHardTanh {
                min: -0.3,
                max: 0.5,
                min_slope: 0.1,
                max_slope: 0.2,
            },
            Activation::Softsign,
            Activation::Softsigmoid,
            Activation::Elu { alpha: 1.5 },
            Activation::Softmax,
        ])
    }

    /// One of the activations that `.nam` players know by name alone or with parameters.
    pub fn nam_activation(&mut self, channels: usize) -> Activation {
        loop {
            match self.activation(channels) {
                Activation::Softsigmoid | Activation::Elu { .. } | Activation::Softmax => {}
                other => return other,
            }
        }
    }

    /// Weights scaled so that signals keep their size.
    pub fn conv(
        &mut self,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        dilation: usize,
    ) -> Conv1d {
        self.grouped(inputs, outputs, kernel, dilation, 1)
    }

    pub fn grouped(
        &mut self,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        dilation: usize,
        groups: usize,
    ) -> Conv1d {
        let fan_in = inputs / groups * kernel;
        let bound = (3.0 / fan_in as f32).sqrt();
        Conv1d {
            in_channels: inputs,
            out_channels: outputs,
            kernel_size: kernel,
            dilation,
            groups,
            weight: self.numbers(outputs * fan_in, bound),
            bias: self.numbers(outputs, 0.2),
        }
    }

    fn unbiased(&mut self, inputs: usize, outputs: usize) -> Conv1d {
        Conv1d {
            bias: Vec::new(),
            ..self.conv(inputs, outputs, 1, 1)
        }
    }

    pub fn lstm(&mut self, inputs: usize, units: usize, stored_state: bool) -> Lstm {
        let state = |dice: &mut Self| {
            if stored_state {
                dice.numbers(units, 0.5)
            } else {
                Vec::new()
            }
        };
        Lstm {
            input_size: inputs,
            hidden_size: units,
            weight_input: self.numbers(4 * units * inputs, 0.8),
            weight_hidden: self.numbers(4 * units * units, 0.5),
            bias: self.numbers(4 * units, 0.3),
            initial_hidden: state(self),
            initial_cell: state(self),
        }
    }

    pub fn gru(&mut self, inputs: usize, units: usize) -> Gru {
        Gru {
            input_size: inputs,
            hidden_size: units,
            weight_input: self.numbers(3 * units * inputs, 0.8),
            weight_hidden: self.numbers(3 * units * units, 0.5),
            bias_input: self.numbers(3 * units, 0.3),
            bias_hidden: self.numbers(3 * units, 0.3),
            initial_hidden: Vec::new(),
        }
    }

    pub fn s4d(&mut self, channels: usize, states: usize) -> S4d {
        let cells = channels * states;
        let radius: Vec<f32> = (0..cells).map(|_| self.0.random_range(0.5..0.99)).collect();
        let angle = self.numbers(cells, 3.0);
        let part = |f: fn(f32) -> f32| radius.iter().zip(&angle).map(|(r, a)| r * f(*a)).collect();
        S4d {
            channels,
            states,
            a_re: part(f32::cos),
            a_im: part(f32::sin),
            c_re: self.numbers(cells, 0.1),
            c_im: self.numbers(cells, 0.1),
            d: self.numbers(channels, 0.5),
        }
    }

    // Whole networks

    /// A WaveNet in the plain form of A1 and A2.
    pub fn plain_wavenet(&mut self) -> Network {
        let mut arrays = Vec::new();
        let (mut input, mut width) = (1, self.size(9));
        let count = self.size(2);
        for i in 0..count {
            let last = i + 1 == count;
            let head = if last { 1 } else { self.size(9) };
            let activation = self.nam_activation(width);
            let kernel = self.size(6);
            let layers = (0..self.size(4))
                .map(|_| self.plain_layer(width, kernel, &activation))
                .collect();
            let kernel = if last && self.chance(0.5) {
                self.size(16)
            } else {
                1
            };
            arrays.push(LayerArray {
                rechannel: self.unbiased(input, width),
                layers,
                head_rechannel: self.conv(width, head, kernel, 1),
            });
            (input, width) = (width, head);
        }
        Network::new(Architecture::WaveNet(wavenet(arrays)), 48_000)
    }

    fn plain_layer(&mut self, width: usize, kernel: usize, activation: &Activation) -> WaveLayer {
        let dilation = self.size(30);
        WaveLayer {
            conv: self.conv(width, width, kernel, dilation),
            mixer: self.unbiased(1, width),
            activation: activation.clone(),
            gating: Gating::None,
            layer1x1: Some(self.conv(width, width, 1, 1)),
            head1x1: None,
            films: LayerFilms::default(),
        }
    }

    /// A WaveNet that uses everything the field's format has.
    pub fn full_wavenet(&mut self) -> Network {
        let condition_size = 2 * self.size(2);
        let condition = self.plain_arrays(condition_size);
        let condition = Architecture::WaveNet(wavenet(condition));
        let width = 2 * self.size(3);
        let bottleneck = 2 * self.size(3);
        let head = 2 * self.size(2);
        let shape = Shape {
            width,
            bottleneck,
            condition: condition_size,
            head1x1: self.chance(0.5).then_some(head),
            groups: self.pick(&[1, 2]),
            blended: self.chance(0.4),
            films: (0..8)
                .map(|_| self.chance(0.4).then(|| self.chance(0.5)))
                .collect(),
        };
        let layers: Vec<WaveLayer> = (0..self.size(3)).map(|_| self.full_layer(&shape)).collect();
        let head_channels = shape.head1x1.unwrap_or(bottleneck);
        let post = self.chance(0.5);
        let outputs = if post { 3 } else { 1 };
        let array = LayerArray {
            rechannel: self.unbiased(1, width),
            layers,
            head_rechannel: self.conv(head_channels, outputs, 2, 3),
        };
        let head = post.then(|| PostStackHead {
            activation: self.nam_activation(3),
            convs: vec![self.conv(3, 3, 2, 1), self.conv(3, 1, 3, 1)],
        });
        // One slope per channel would have to fit both convolutions' inputs, which it does: 3.
        let net = WaveNet {
            condition: Some(Box::new(condition)),
            head,
            ..wavenet(vec![array])
        };
        Network::new(Architecture::WaveNet(net), 48_000)
    }

    fn plain_arrays(&mut self, outputs: usize) -> Vec<LayerArray> {
        let layers = vec![self.plain_layer(3, 2, &Activation::Tanh)];
        vec![LayerArray {
            rechannel: self.unbiased(1, 3),
            layers,
            head_rechannel: self.conv(3, outputs, 1, 1),
        }]
    }

    fn full_layer(&mut self, shape: &Shape) -> WaveLayer {
        let Shape {
            width,
            bottleneck,
            condition,
            groups,
            ..
        } = *shape;
        let gate = self.nam_activation(bottleneck);
        let gating = match shape.blended {
            true => Gating::Blended(gate),
            false => self.pick(&[Gating::None, Gating::Gated(gate)]),
        };
        let middle = if gating == Gating::None {
            bottleneck
        } else {
            2 * bottleneck
        };
        let head1x1 = shape
            .head1x1
            .map(|head| self.grouped(bottleneck, head, 1, 1, groups));
        let sizes = [
            width,
            middle,
            condition,
            middle,
            middle,
            bottleneck,
            width,
            shape.head1x1.unwrap_or(bottleneck),
        ];
        let mut films: Vec<Option<WaveFilm>> = Vec::new();
        for (i, size) in sizes.into_iter().enumerate() {
            // Players disagree about the 1x1's unless every layer blends.
            let allowed = (i != 6 || shape.blended) && (i != 7 || head1x1.is_some());
            let film = shape.films[i].filter(|_| allowed).map(|shift| {
                let outputs = if shift { 2 * size } else { size };
                WaveFilm {
                    conv: self.grouped(condition, outputs, 1, 1, groups),
                    shift,
                }
            });
            films.push(film);
        }
        let mut next = films.into_iter();
        let mut film = || next.next().flatten();
        let films = LayerFilms {
            conv_pre: film(),
            conv_post: film(),
            mixer_pre: film(),
            mixer_post: film(),
            activation_pre: film(),
            activation_post: film(),
            layer1x1_post: film(),
            head1x1_post: film(),
        };
        let (kernel, dilation) = (self.size(4), self.size(9));
        WaveLayer {
            conv: self.grouped(width, middle, kernel, dilation, groups),
            mixer: Conv1d {
                bias: Vec::new(),
                ..self.grouped(condition, middle, 1, 1, groups)
            },
            activation: self.nam_activation(bottleneck),
            gating,
            layer1x1: Some(self.grouped(bottleneck, width, 1, 1, groups)),
            head1x1,
            films,
        }
    }

    /// One recurrent layer and a dense layer, with or without the input added.
    pub fn recurrent(&mut self, units: usize, inputs: usize, skip: bool) -> Network {
        let cell = match self.chance(0.5) {
            true => Layer::Lstm(self.lstm(inputs, units, false)),
            false => Layer::Gru(self.gru(inputs, units)),
        };
        let body = vec![cell, Layer::Conv1d(self.conv(units, 1, 1, 1))];
        let layers = match skip {
            true => vec![Layer::Residual(Residual {
                body,
                shortcut: None,
            })],
            false => body,
        };
        with_controls(sequential(inputs, layers), inputs - 1)
    }

    /// The same whose answer is a gain on the first input.
    pub fn gain(&mut self, units: usize, inputs: usize) -> Network {
        let cell = Layer::Gru(self.gru(inputs, units));
        let listening = vec![cell, Layer::Conv1d(self.conv(units, 1, 1, 1))];
        let around = vec![Layer::Conv1d(self.conv(inputs, 1, 1, 1))];
        let product = Layer::Branches(Branches {
            split: Split::Copy,
            branches: vec![listening, around],
            join: Join::Product,
        });
        with_controls(sequential(inputs, vec![product]), inputs - 1)
    }

    /// Several LSTM layers with stored states and a dense layer, as `.nam` has them.
    pub fn stacked_lstm(&mut self) -> Network {
        let units = self.size(40);
        let mut layers = vec![Layer::Lstm(self.lstm(1, units, true))];
        for _ in 1..self.size(3) {
            layers.push(Layer::Lstm(self.lstm(units, units, true)));
        }
        layers.push(Layer::Conv1d(self.conv(units, 1, 1, 1)));
        sequential(1, layers)
    }

    /// Convolutions of kernel size 2, as `.nam`'s ConvNet has them.
    pub fn convnet(&mut self) -> Network {
        let channels = self.size(9);
        let activation = self.nam_activation(channels);
        let normed = self.chance(0.5);
        let (mut layers, mut inputs) = (Vec::new(), 1);
        for _ in 0..self.size(5) {
            let dilation = self.size(20);
            let mut conv = self.conv(inputs, channels, 2, dilation);
            if normed {
                conv.bias.clear();
            }
            layers.push(Layer::Conv1d(conv));
            if normed {
                layers.push(Layer::Affine(self.affine(channels)));
            }
            layers.push(Layer::Activation(activation.clone()));
            inputs = channels;
        }
        layers.push(Layer::Conv1d(self.conv(channels, 1, 1, 1)));
        sequential(1, layers)
    }

    pub fn affine(&mut self, channels: usize) -> Affine {
        Affine {
            scale: self.numbers(channels, 1.5),
            shift: self.numbers(channels, 0.3),
        }
    }

    /// A finite impulse response.
    pub fn linear(&mut self) -> Network {
        let taps = self.size(200);
        sequential(1, vec![Layer::Conv1d(self.conv(1, 1, taps, 1))])
    }

    /// Only what RTNeural has.
    pub fn rtneural(&mut self) -> Network {
        let (mut layers, mut width) = (Vec::new(), self.size(3));
        let inputs = width;
        for _ in 0..self.size(4) {
            match self.size(5) {
                1 => layers.push(Layer::Lstm(self.lstm(width, 5, false))),
                2 => layers.push(Layer::Gru(self.gru(width, 5))),
                3 => {
                    let (kernel, dilation) = (self.size(4), self.size(5));
                    layers.push(Layer::Conv1d(self.grouped(
                        width,
                        5 * width,
                        kernel,
                        dilation,
                        width,
                    )));
                    width *= 5;
                    layers.push(Layer::Conv1d(self.conv(width, 5, 1, 1)));
                }
                _ => layers.push(Layer::Conv1d(self.conv(width, 5, 1, 1))),
            }
            width = 5;
            let slopes = self.numbers(5, 0.4);
            layers.push(match self.size(4) {
                1 => Layer::Affine(self.affine(5)),
                2 => Layer::Activation(Activation::PRelu { slopes }),
                _ => Layer::Activation(self.pick(&[
                    Activation::Tanh,
                    Activation::Relu,
                    Activation::Sigmoid,
                    Activation::Softmax,
                    Activation::Elu { alpha: 1.0 },
                ])),
            });
        }
        layers.push(Layer::Conv1d(self.conv(width, 1, 1, 1)));
        with_controls(sequential(inputs, layers), inputs - 1)
    }

    /// The seeds' convolution network: side by side kernels, a dense middle, back to audio.
    pub fn multiscale(&mut self) -> Network {
        let kernels = [self.size(9), self.size(30)];
        let longest = kernels[0].max(kernels[1]);
        let channels = self.size(5);
        let analysis = kernels.map(|k| vec![Layer::Conv1d(self.conv(1, channels, k, 1))]);
        let synthesis = kernels.map(|k| {
            let delay = Delay {
                channels,
                samples: longest - k,
            };
            vec![
                Layer::Delay(delay),
                Layer::Conv1d(self.conv(channels, 1, k, 1)),
            ]
        });
        let layers = vec![
            Layer::Branches(Branches {
                split: Split::Copy,
                branches: analysis.into(),
                join: Join::Concat,
            }),
            Layer::Activation(Activation::Relu),
            Layer::Affine(self.affine(2 * channels)),
            Layer::Conv1d(self.conv(2 * channels, 2 * channels, 1, 1)),
            Layer::Activation(Activation::Relu),
            Layer::Branches(Branches {
                split: Split::Slice(vec![channels; 2]),
                branches: synthesis.into(),
                join: Join::Sum,
            }),
        ];
        let mut network = sequential(1, layers);
        network.delay_samples = longest - 1;
        network
    }

    /// Temporal convolutions with FiLM and shortcuts, two knobs.
    pub fn tcn(&mut self) -> Network {
        let (mut layers, mut inputs) = (Vec::new(), 1);
        let channels = self.size(12);
        for i in 0..self.size(4) {
            let kernel = self.size(5);
            let slopes = self.numbers(channels, 0.5);
            let body = vec![
                Layer::Conv1d(self.conv(inputs, channels, kernel, 1 << i)),
                Layer::Film(self.film(channels)),
                Layer::Activation(Activation::PRelu { slopes }),
            ];
            let shortcut = Some(self.unbiased(inputs, channels));
            layers.push(Layer::Residual(Residual { body, shortcut }));
            inputs = channels;
        }
        layers.push(Layer::Conv1d(self.conv(channels, 1, 1, 1)));
        with_controls(sequential(1, layers), 2)
    }

    /// Two knobs → four hidden values → a scale and a shift per channel.
    fn film(&mut self, channels: usize) -> Film {
        let generator = vec![
            Layer::Conv1d(self.conv(2, 4, 1, 1)),
            Layer::Activation(Activation::Tanh),
            Layer::Conv1d(self.conv(4, 2 * channels, 1, 1)),
        ];
        Film {
            generator,
            shift: true,
        }
    }

    /// A convolution whose channels their own peaks modulate.
    pub fn temporal_film(&mut self) -> Network {
        let (channels, units, shift) = (self.size(20), self.size(8), self.chance(0.5));
        let values = if shift { 2 * channels } else { channels };
        let film = TemporalFilm {
            block_size: self.size(400),
            lstm: self.lstm(channels, units, false),
            projection: self.conv(units, values, 1, 1),
            shift,
        };
        let layers = vec![
            Layer::Conv1d(self.conv(1, channels, 5, 3)),
            Layer::TemporalFilm(film),
            Layer::Activation(Activation::Tanh),
            Layer::Conv1d(self.conv(channels, 1, 1, 1)),
        ];
        sequential(1, layers)
    }

    /// State-space layers with gates between.
    pub fn state_space(&mut self) -> Network {
        let channels = self.size(20);
        let states = self.size(9);
        let mut layers = vec![Layer::Conv1d(self.conv(1, channels, 1, 1))];
        for _ in 0..self.size(2) {
            let body = vec![
                Layer::S4d(self.s4d(channels, states)),
                Layer::Conv1d(self.conv(channels, 2 * channels, 1, 1)),
                Layer::Glu,
            ];
            layers.push(Layer::Residual(Residual {
                body,
                shortcut: None,
            }));
        }
        layers.push(Layer::Conv1d(self.conv(channels, 1, 1, 1)));
        sequential(1, layers)
    }

    /// A convolution in front of an LSTM.
    pub fn conv_lstm(&mut self) -> Network {
        let layers = vec![
            Layer::Conv1d(self.conv(1, 6, 12, 1)),
            Layer::Activation(Activation::Tanh),
            Layer::Lstm(self.lstm(6, 19, false)),
            Layer::Gru(self.gru(19, 7)),
            Layer::Conv1d(self.conv(7, 6, 1, 1)),
            Layer::Activation(Activation::Silu),
            Layer::Conv1d(self.conv(6, 1, 1, 1)),
        ];
        sequential(1, layers)
    }

    /// Windows through dense layers.
    pub fn window(&mut self) -> Network {
        let hop = self.size(20);
        let window_len = hop * self.size(4);
        let mut layers = Vec::new();
        let mut width = window_len;
        for outputs in [self.size(40), window_len] {
            let bound = (3.0 / width as f32).sqrt();
            layers.push(Dense {
                weight: self.numbers(outputs * width, bound),
                bias: self.numbers(outputs, 0.1),
                activation: self.activation(outputs),
            });
            width = outputs;
        }
        Network::new(
            Architecture::Window(WindowNetwork {
                window_len,
                hop,
                layers,
            }),
            44_100,
        )
    }

    /// One network of every family.
    pub fn every_family(&mut self) -> Vec<(&'static str, Network)> {
        let (units, inputs, skip) = (self.size(50), self.size(3), self.chance(0.5));
        vec![
            ("plain WaveNet", self.plain_wavenet()),
            ("full WaveNet", self.full_wavenet()),
            ("recurrent", self.recurrent(units, inputs, skip)),
            ("stacked LSTM", self.stacked_lstm()),
            ("ConvNet", self.convnet()),
            ("Linear", self.linear()),
            ("RTNeural layers", self.rtneural()),
            ("multiscale", self.multiscale()),
            ("TCN", self.tcn()),
            ("state space", self.state_space()),
            ("conv + LSTM", self.conv_lstm()),
            ("window", self.window()),
            ("temporal FiLM", self.temporal_film()),
            ("gain", self.gain(units, inputs)),
        ]
    }
}

/// What all layers of one array share.
struct Shape {
    width: usize,
    bottleneck: usize,
    condition: usize,
    head1x1: Option<usize>,
    groups: usize,
    blended: bool,
    /// For each place: no modulation, or one with or without shift.
    films: Vec<Option<bool>>,
}

fn wavenet(arrays: Vec<LayerArray>) -> WaveNet {
    WaveNet {
        input_channels: 1,
        condition: None,
        arrays,
        head: None,
        head_scale: 0.5,
    }
}

pub fn sequential(input_channels: usize, layers: Vec<Layer>) -> Network {
    Network::new(
        Architecture::Sequential(Sequential {
            input_channels,
            layers,
        }),
        48_000,
    )
}

/// Adds knobs from 0 to 1, at 0.
pub fn with_controls(mut network: Network, count: usize) -> Network {
    let control = |i| Control {
        range: None,
        name: format!("param{i}"),
        min: 0.0,
        max: 1.0,
        default: 0.0,
    };
    network.controls = (1..=count).map(control).collect();
    network
}
