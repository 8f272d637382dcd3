//! An optimiser's state in a form of our own: the moments of all weights in two lists, so that a
//! [step](descend) is one pass over them. From burn's state and back: burn lets nobody into it, but
//! hands every tensor's part to its optimiser, and keeps what that gives back.

use super::library::{ADAM_EPSILON, OnHost, library};
use super::overflow::Overflow;
use crate::config::{Optimiser, TrainingConfig};
use crate::kernels::descent::{Descended, Descent, Way, Weight, can_descend, descend};
use burn::backend::DispatchTensor;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::{
    AdamState, AdaptiveMomentumState, GradientsParams, ModuleOptimizer, Optimizer, OptimizerRecord,
};
use burn::prelude::*;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether the weights lie where a step over all of them is to be had.
pub(super) fn takes<M: Module>(model: &M) -> bool {
    struct First(Option<bool>);
    impl ModuleVisitor for First {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.get_or_insert_with(|| can_descend(&param.val()));
        }
    }
    let mut first = First(None);
    model.visit(&mut first);
    first.0 == Some(true)
}

/// A tensor of weights that moves.
pub(super) struct Listed {
    id: ParamId,
    weight: Weight,
}

/// All weights that have a gradient, in the model's order.
pub(super) fn list<M: Module>(model: &M, grads: &GradientsParams, decay: f32) -> Vec<Listed> {
    struct List<'a> {
        grads: &'a GradientsParams,
        decay: f32,
        found: Vec<Listed>,
    }
    impl ModuleVisitor for List<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.grads.get::<D>(param.id) {
                let weights = param.val().inner();
                self.found.push(Listed {
                    id: param.id,
                    weight: Weight {
                        len: weights.shape().num_elements(),
                        weights: weights.into_dispatch(),
                        gradient: gradient.into_dispatch(),
                        decay: if D >= 2 { self.decay } else { 0.0 },
                    },
                });
            }
        }
    }
    let mut list = List {
        grads,
        decay,
        found: Vec::new(),
    };
    model.visit(&mut list);
    list.found
}

/// The state.
pub(super) struct Own {
    ids: Vec<ParamId>,
    /// Steps so far.
    time: usize,
    moments: [Tensor<1>; 2],
}

impl Own {
    /// Whether these are its weights.
    pub fn fits(&self, list: &[Listed]) -> bool {
        self.ids.iter().eq(list.iter().map(|listed| &listed.id))
    }

    /// burn's state of these weights; 0 of those that it has not met.
    pub fn taken<M: Module>(burn: &ModuleOptimizer, model: &M, list: &[Listed]) -> Self {
        let ids: Vec<ParamId> = list.iter().map(|listed| listed.id).collect();
        let device = parameters_device(model);
        let record = burn.to_record();
        let (mut time, mut moments) = (0, [Vec::new(), Vec::new()]);
        if !record.is_empty() {
            let taker = Taker::default();
            let visit = ModuleOptimizer::from(OnHost(taker.clone())).load_record(record);
            handed_round(visit, model, &ids);
            let states = std::mem::take(&mut *lock(&taker.0));
            for (state, listed) in states.into_iter().zip(list) {
                let len = listed.weight.len;
                time = time.max(state.as_ref().map_or(0, |state| state.time));
                let values = state.map_or_else(|| [vec![0.0; len], vec![0.0; len]], |s| s.moments);
                for (all, values) in moments.iter_mut().zip(values) {
                    all.extend(values);
                }
            }
        }
        let len = list.iter().map(|listed| listed.weight.len).sum::<usize>();
        let tensor = |values: Vec<f32>| match values.is_empty() {
            true => Tensor::zeros([len], &device),
            false => Tensor::from_data(TensorData::new(values, [len]), &device),
        };
        Self {
            ids,
            time,
            moments: moments.map(tensor),
        }
    }

    /// Moves the weights in `list`, which are those of `model`.
    pub fn step<M: Module>(
        &mut self,
        config: &TrainingConfig,
        rate: f32,
        model: M,
        list: Vec<Listed>,
        grads: GradientsParams,
    ) -> (M, Overflow) {
        if list.is_empty() {
            return (model, Overflow::Known(false));
        }
        self.time += 1;
        let adam = |decoupled| Way::Adam {
            time: self.time as i32,
            epsilon: ADAM_EPSILON,
            decoupled,
        };
        let step = Descent {
            rate,
            way: match config.optimiser {
                Optimiser::Adam => adam(false),
                Optimiser::AdamW => adam(true),
                Optimiser::Sgd => Way::Plain,
            },
            largest: config.clip_norm.map(|largest| largest as f32),
        };
        let weights = list.into_iter().map(|listed| listed.weight).collect();
        let Descended { weights, squares } = descend(step, weights, &mut self.moments);
        let giver = Giver(Arc::new(Mutex::new(weights.into())));
        let model = ModuleOptimizer::from(giver).step(0.0, model, grads);
        let overflow = match config.clip_norm {
            Some(_) => Overflow::Squares(Box::new(squares)),
            None => Overflow::Known(false),
        };
        (model, overflow)
    }

    /// burn's record of this state.
    pub fn to_record<M: Module>(&self, config: &TrainingConfig, model: &M) -> OptimizerRecord {
        if config.optimiser == Optimiser::Sgd {
            return library(config, model).to_record();
        }
        let values = |moments: &Tensor<1>| -> VecDeque<f32> {
            let data = moments.clone().into_data();
            data.try_into_vec::<f32>().unwrap_or_default().into()
        };
        let planter = Planter {
            time: self.time,
            moments: Arc::new(Mutex::new([
                values(&self.moments[0]),
                values(&self.moments[1]),
            ])),
        };
        handed_round(ModuleOptimizer::from(OnHost(planter)), model, &self.ids).to_record()
    }
}

/// The optimiser after it has been handed these weights of the model, which stays as it is.
fn handed_round<M: Module>(
    mut optimiser: ModuleOptimizer,
    model: &M,
    ids: &[ParamId],
) -> ModuleOptimizer {
    struct Stand<'a> {
        ids: &'a [ParamId],
        grads: GradientsParams,
    }
    impl ModuleVisitor for Stand<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.ids.contains(&param.id) {
                // Any gradient: nobody looks at it.
                self.grads.register::<D>(param.id, param.val().inner());
            }
        }
    }
    let mut stand = Stand {
        ids,
        grads: GradientsParams::new(),
    };
    model.visit(&mut stand);
    optimiser.step(0.0, model.clone(), stand.grads);
    optimiser
}

fn parameters_device<M: Module>(model: &M) -> Device {
    let devices = model.devices();
    let first = devices.into_iter().next();
    first.map_or_else(Device::flex, Device::inner)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives every tensor of weights its new values.
#[derive(Clone)]
struct Giver(Arc<Mutex<VecDeque<DispatchTensor>>>);

impl Optimizer for Giver {
    type State<const D: usize> = ();

    fn step<const D: usize>(
        &self,
        _rate: f64,
        old: Tensor<D>,
        _gradient: Tensor<D>,
        _state: Option<()>,
    ) -> (Tensor<D>, Option<()>) {
        let new = lock(&self.0).pop_front();
        (new.map_or(old, Tensor::from_dispatch), None)
    }

    fn to_device<const D: usize>(_state: (), _device: &Device) {}
}

/// What Adam remembers of a tensor of weights.
struct Moments {
    time: usize,
    moments: [Vec<f32>; 2],
}

/// Takes Adam's state of every tensor of weights.
#[derive(Clone, Default)]
struct Taker(Arc<Mutex<Vec<Option<Moments>>>>);

impl Optimizer for Taker {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        _rate: f64,
        weights: Tensor<D>,
        _gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let values = |moment: Tensor<D>| -> Vec<f32> {
            let data = moment.into_data().convert::<f32>();
            data.try_into_vec().unwrap_or_default()
        };
        lock(&self.0).push(state.map(|state| Moments {
            time: state.momentum.time,
            moments: [state.momentum.moment_1, state.momentum.moment_2].map(values),
        }));
        (weights, None)
    }

    fn to_device<const D: usize>(state: AdamState<D>, _device: &Device) -> AdamState<D> {
        state
    }
}

/// Gives Adam its state of every tensor of weights.
#[derive(Clone)]
struct Planter {
    time: usize,
    moments: Arc<Mutex<[VecDeque<f32>; 2]>>,
}

impl Optimizer for Planter {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        _rate: f64,
        weights: Tensor<D>,
        _gradient: Tensor<D>,
        _state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        let shape = weights.shape();
        let mut moments = lock(&self.moments);
        let mut next = |moment: usize| -> Tensor<D> {
            let values: Vec<f32> = moments[moment].drain(..shape.num_elements()).collect();
            Tensor::from_data(TensorData::new(values, shape.clone()), &Device::flex())
        };
        let momentum = AdaptiveMomentumState::new(self.time, next(0), next(1));
        (weights, Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, _device: &Device) -> AdamState<D> {
        state
    }
}

#[cfg(test)]
mod tests {
    use super::super::Optimiser as Subject;
    use super::*;
    use crate::device::{DeviceChoice, select};
    use crate::kernels::composed::only;
    use burn::nn::{Linear, LinearConfig};

    /// The processor, and a card, if there is one.
    fn devices() -> Vec<Device> {
        let card = select(DeviceChoice::Wgpu(0)).map(|card| card.device);
        if card.is_err() {
            eprintln!("skipped: no Vulkan driver here (Debian: mesa-vulkan-drivers)");
        }
        std::iter::once(Device::flex()).chain(card).collect()
    }

    /// Layers of the same weights wherever they are: more than fit into a launch of few bindings, and
    /// one more than a thread has to itself.
    fn layers(device: &Device) -> Vec<Linear> {
        let device = device.clone().autodiff();
        let layer = |n: usize| {
            let [inputs, outputs] = if n == 5 {
                [171, 199]
            } else {
                [2 + n % 3, 7 + n]
            };
            let mut layer = LinearConfig::new(inputs, outputs).init(&device);
            layer.weight = layer
                .weight
                .map(|old| values(old.dims(), n as u32, &device));
            layer.bias = layer
                .bias
                .map(|b| b.map(|old| values(old.dims(), 90 + n as u32, &device)));
            layer
        };
        (0..12).map(layer).collect()
    }

    fn values<const D: usize>(shape: [usize; D], seed: u32, device: &Device) -> Tensor<D> {
        let count = shape.iter().product();
        let of = |n: usize| ((n as u32 * 7919 + seed * 104_729) % 1000) as f32 / 500.0 - 1.0;
        let values: Vec<f32> = (0..count).map(of).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    /// Gradients that are the same on every device.
    fn gradients(model: &Vec<Linear>, seed: u32, size: f32) -> GradientsParams {
        struct Fill(GradientsParams, u32, f32);
        impl ModuleVisitor for Fill {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.1 += 1;
                let device = param.val().device().inner();
                let gradient: Tensor<D> = values(param.val().dims(), self.1, &device);
                self.0.register(param.id, gradient * self.2);
            }
        }
        let mut fill = Fill(GradientsParams::new(), seed, size);
        model.visit(&mut fill);
        fill.0
    }

    fn numbers(model: &[Linear]) -> Vec<f32> {
        let host = |data: TensorData| data.try_into_vec::<f32>().unwrap();
        let of = |layer: &Linear| {
            let bias = layer.bias.as_ref().unwrap().val();
            [host(layer.weight.val().into_data()), host(bias.into_data())].concat()
        };
        model.iter().flat_map(of).collect()
    }

    fn assert_near(a: &[f32], b: &[f32], what: &str) {
        assert_eq!(a.len(), b.len());
        for (a, b) in a.iter().zip(b) {
            assert!(
                (a - b).abs() < 2e-6 * a.abs().max(1.0),
                "{what}: {b} is not {a}"
            );
        }
    }

    /// One step; by burn's own optimiser where it is `composed`.
    fn stepped(
        subject: &mut Subject,
        model: Vec<Linear>,
        (seed, size): (u32, f32),
        composed: bool,
    ) -> (Vec<Linear>, bool) {
        let grads = gradients(&model, seed, size);
        let step = || subject.step(0.01, model, grads);
        let (model, overflow) = if composed { only(step) } else { step() };
        (model, overflow.happened())
    }

    #[test]
    fn steps_at_once_are_burns_and_can_be_moved() {
        let recipes = [
            "optimiser = \"adam\"\nweight_decay = 0.01",
            "optimiser = \"adam-w\"\nweight_decay = 0.1\nclip_norm = 0.5",
            "optimiser = \"sgd\"\nweight_decay = 0.1\nclip_norm = 1e6",
        ];
        let pairs = recipes.iter().flat_map(|&recipe| {
            let with = move |device| (recipe, device);
            devices().into_iter().map(with)
        });
        for (recipe, device) in pairs {
            let config: TrainingConfig = toml::from_str(recipe).unwrap();
            let mut theirs = layers(&Device::flex());
            let mut ours = layers(&device);
            let mut by_burn = Subject::new(&config, &theirs);
            let mut at_once = Subject::new(&config, &ours);
            for seed in 0..3 {
                let gradients = (200 * seed, 1.0);
                theirs = stepped(&mut by_burn, theirs, gradients, true).0;
                ours = stepped(&mut at_once, ours, gradients, false).0;
            }
            assert!(by_burn.own.is_none() && at_once.own.is_some());
            assert_near(&numbers(&theirs), &numbers(&ours), recipe);
            // Each goes on from what the other saved.
            let saved = [by_burn.to_bytes(&theirs), at_once.to_bytes(&ours)].map(Result::unwrap);
            let [of_theirs, of_ours] = saved;
            by_burn = Subject::new(&config, &theirs).from_bytes(of_ours).unwrap();
            at_once = Subject::new(&config, &ours).from_bytes(of_theirs).unwrap();
            theirs = stepped(&mut by_burn, theirs, (999, 1.0), true).0;
            ours = stepped(&mut at_once, ours, (999, 1.0), false).0;
            assert_near(&numbers(&theirs), &numbers(&ours), "moved");
            // No direction, no step.
            if config.clip_norm.is_some() {
                let before = numbers(&ours);
                let (after, overflowed) = stepped(&mut at_once, ours, (7, 1e30), false);
                assert!(overflowed);
                assert_eq!(numbers(&after), before);
            }
        }
    }
}
