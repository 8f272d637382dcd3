//! A fully connected layer, y[n, o] = bias[o] + Σ_i x[n, i] · w[i, o]: the slice form [`Dense`] and
//! the layer [on tensors](dense()).

mod operator;
mod pass;

pub use operator::dense;
pub use pass::Dense;
