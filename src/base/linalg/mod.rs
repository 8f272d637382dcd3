//! Dense linear algebra in doubles, for matrices up to some thousands wide: products, Cholesky
//! factors, singular values, symmetric eigenvectors. Knows nothing of what the numbers mean.

pub(crate) mod cholesky;
mod eigen;
mod matrix;
pub(crate) mod small;

pub use eigen::Eigen;
pub(crate) use matrix::add_gram;
pub use matrix::{Matrix, dot};
