//! A network's weights, or their gradients, as flat tensors in the network's order, and back: what is
//! done to all of them alike, or sent elsewhere in one piece.

use crate::kernels::join;
use crate::models::EffectModel;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::prelude::*;
use std::collections::VecDeque;

/// All weights.
pub(super) fn weights(model: &EffectModel) -> Vec<Tensor<1>> {
    struct Flatten(Vec<Tensor<1>>);
    impl ModuleVisitor for Flatten {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.push(param.val().flatten(0, D - 1));
        }
    }
    let mut flatten = Flatten(Vec::new());
    model.visit(&mut flatten);
    flatten.0
}

/// `model` with other weights, as many as it has.
pub(super) fn with_weights(model: EffectModel, new: Vec<Tensor<1>>) -> EffectModel {
    struct Replace(VecDeque<Tensor<1>>);
    impl ModuleMapper for Replace {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match self.0.pop_front() {
                Some(new) => param.map(|old| new.reshape(old.dims())),
                None => param,
            }
        }
    }
    model.map(&mut Replace(new.into()))
}

/// The gradients of all weights that have one, in one piece; `None` where none has.
pub(super) fn gradients(model: &EffectModel, grads: &GradientsParams) -> Option<Tensor<1>> {
    struct Flatten<'a>(&'a GradientsParams, Vec<Tensor<1>>);
    impl ModuleVisitor for Flatten<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.0.get::<D>(param.id);
            self.1.extend(gradient.map(|all| all.flatten(0, D - 1)));
        }
    }
    let mut flatten = Flatten(grads, Vec::new());
    model.visit(&mut flatten);
    (!flatten.1.is_empty()).then(|| join(flatten.1))
}

/// `grads` with other values, as many as there are in `joined`.
pub(super) fn with_gradients(
    model: &EffectModel,
    grads: GradientsParams,
    joined: Tensor<1>,
) -> GradientsParams {
    struct Replace {
        grads: GradientsParams,
        joined: Tensor<1>,
        at: usize,
    }
    impl ModuleVisitor for Replace {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let id: ParamId = param.id;
            if let Some(old) = self.grads.remove::<D>(id) {
                let len = old.shape().num_elements();
                let new = self.joined.clone().narrow(0, self.at, len);
                self.grads.register(id, new.reshape(old.dims()));
                self.at += len;
            }
        }
    }
    let mut replace = Replace {
        grads,
        joined,
        at: 0,
    };
    model.visit(&mut replace);
    replace.grads
}
