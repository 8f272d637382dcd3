//! One node per layer of the description. This page alone names their files: a sequence reaches
//! each through the layer's own [`Plannable`](super::node::Plannable).

mod activation;
mod affine;
mod branches;
mod conv;
mod delay;
mod film;
mod glu;
mod modulated;
mod recurrent;
mod residual;
mod s4d;
mod temporal_film;

pub(crate) use conv::Conv;
