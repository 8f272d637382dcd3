//! Classical regression: what can be said about sound without a neural network.
//!
//! Linear estimators with scikit-learn's names, defaults and stopping rules, most of them on
//! [`moments`] (memory independent of the samples), two on [`rows`]; [`baseline`] models an
//! effect by filters fitted in closed form, to be put beside every network. Knows nothing of
//! tensors, networks, files' layout or the terminal.

pub mod baseline;
pub mod bayesian_ridge;
mod conjugate;
pub mod diagnosis;
pub mod direct;
mod error;
pub mod estimator;
pub mod features;
pub mod gate;
pub mod lars;
pub mod lasso_lars;
pub mod modulation;
pub mod moments;
pub mod ols;
pub mod passive_aggressive;
pub mod predictive;
pub mod random;
pub mod ransac;
pub mod recovery;
pub mod ridge;
pub mod rows;
mod spectrum;
pub mod tail;

pub use error::RegressError;
